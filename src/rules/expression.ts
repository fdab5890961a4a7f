import { type ASTNode, Environment, EvaluationError, ParseError, serialize } from "@marcbachmann/cel-js";
import { checkTree, countNodes, type ExpressionProblem, mentions } from "./expression-walk.ts";
import { registerFunctions } from "./fact-functions.ts";
import { celType, type FactType, factsType, recordTypes } from "./fact-types.ts";
import { type FactRecord, type Meter, MissingFact, OutOfSteps, price, viewClass } from "./fact-view.ts";

/** What expressions of one rule are evaluated against. */
export interface Evaluation {
  readonly facts: FactRecord;
  readonly meter: Meter;
  /** The rule's own names (`let`), and what was worked out for them so far. */
  readonly names: ReadonlyMap<string, Expression>;
  readonly values: Map<string, unknown>;
}

/** A CEL expression over facts, compiled: every name in it is known to exist, and its type is known. */
export interface Expression {
  readonly text: string;
  /** Its CEL type: `bool`, `string`, `int`, `double`, `list<…>` … */
  readonly type: string;
  /** What it read, for explanations: each a text and the expression that gives its value. */
  readonly mentions: readonly { readonly text: string; evaluate(evaluation: Evaluation): unknown }[];
  /**
   * @throws MissingFact when a fact it needs is not there; OutOfSteps when the rule has used up its steps; Error with a plain
   * message for anything else (a division by zero, a text that is no number)
   */
  evaluate(evaluation: Evaluation): unknown;
}

/** An expression that cannot be compiled; `problem` says what is wrong at which character. */
export class ExpressionError extends Error {
  readonly problem: ExpressionProblem;
  constructor(problem: ExpressionProblem, detail?: ErrorOptions) {
    super(problem.message, detail);
    this.problem = problem;
  }
}

const NODES_PER_WEIGHT = 10;

let running: Evaluation | null = null;
let shared: Environment | null = null;

/** Made at first use: declaring some twenty types takes a few milliseconds that a command without rules need not spend. */
function environment(): Environment {
  if (shared !== null) return shared;
  const made = new Environment({
    limits: { maxAstNodes: 300, maxDepth: 32, maxListElements: 64, maxMapEntries: 1, maxCallArguments: 8 },
  });
  for (const type of recordTypes) {
    const fields = Object.fromEntries([...type.fields].map(([name, field]) => [name, celType(field)]));
    made.registerType(type.name, { ctor: viewClass(type), fields });
  }
  for (const [name, type] of factsType.fields) made.registerVariable(name, celType(type));
  registerFunctions(made, () => running!);
  made.registerFunction("present(ast): bool", present);
  shared = made;
  return made;
}

/** What the library hands a macro; its type declarations leave it open. */
interface MacroHooks {
  check(node: ASTNode, context: unknown): unknown;
  getType(name: string): unknown;
  run(node: ASTNode, context: unknown): unknown;
}

/** `present(crash.module.name)`: whether the fact, and everything on the way to it, is there. */
const present = ({ args: [asked] }: { args: [ASTNode] }) => ({
  async: false,
  typeCheck(checker: MacroHooks, _: unknown, context: unknown) {
    checker.check(asked, context);
    return checker.getType("bool");
  },
  evaluate(evaluator: MacroHooks, _: unknown, context: unknown) {
    try {
      return evaluator.run(asked, context) !== undefined;
    } catch (error) {
      if (missingPath(error) !== null) return false;
      throw error;
    }
  },
});

const MISSING = ["no_such_key", "unknown_variable", "index_out_of_bounds"];

/** The fact that an evaluation found missing, or null when it failed for another reason. */
function missingPath(error: unknown): string | null {
  if (error instanceof MissingFact) return error.path;
  if (!(error instanceof EvaluationError) || !MISSING.includes(error.code)) return null;
  return error.node === undefined ? "a fact" : serialize(error.node as ASTNode);
}

function run(parsed: (context: Map<string, unknown>) => unknown, weight: number, evaluation: Evaluation): unknown {
  const { meter } = evaluation;
  const outer = { running, weight: meter.weight };
  running = evaluation;
  meter.weight = weight;
  try {
    const value = parsed(new Context(evaluation));
    // A loop, or an alternative, may have swallowed the refusal.
    if (meter.exhausted) throw new OutOfSteps();
    return value;
  } catch (error) {
    if (meter.exhausted || error instanceof OutOfSteps) throw new OutOfSteps();
    const path = missingPath(error);
    if (path !== null) throw new MissingFact(path);
    throw error instanceof EvaluationError ? new Error(error.summary) : error;
  } finally {
    running = outer.running;
    meter.weight = outer.weight;
  }
}

/** What the names of an expression stand for: the facts, and the rule's own names, worked out when they are first needed. */
class Context extends Map<string, unknown> {
  readonly #evaluation: Evaluation;

  constructor(evaluation: Evaluation) {
    super();
    this.#evaluation = evaluation;
  }

  override get(name: string): unknown {
    const { facts, meter, names, values } = this.#evaluation;
    const named = names.get(name);
    if (named === undefined) return facts[name as keyof typeof facts];
    if (!values.has(name)) values.set(name, named.evaluate(this.#evaluation));
    const value = values.get(name);
    // A text that names double again and again would fill the memory before the steps are used up, were reading it free.
    meter.charge(price(value));
    return value;
  }
}

/** Names that a rule gives to expressions (`let`), so that its texts can say `driver` for what takes a line to find out. */
export class Names {
  readonly #expressions = new Map<string, Expression>();
  readonly #types = new Map<string, FactType | null>();
  #environment: Environment | null = null;

  get environment(): Environment {
    return this.#environment ?? environment();
  }

  get types(): ReadonlyMap<string, FactType | null> {
    return this.#types;
  }

  get expressions(): ReadonlyMap<string, Expression> {
    return this.#expressions;
  }

  /**
   * Gives a name to an expression, which may use the names given before. Lists get no names: reading one is counted where it is
   * read, and a name would read it for nothing.
   *
   * @throws ExpressionError
   */
  define(name: string, text: string): void {
    refuseFactName(name);
    const records = recordTypes.map((type) => type.name);
    const expression = compileExpression(text, [...SCALARS, ...records], this);
    this.#register(name, expression);
  }

  /**
   * Gives a name to a text that is not worked out but found: an evaluation begins with it among its values, or it is missing.
   *
   * @throws ExpressionError
   */
  declare(name: string): void {
    refuseFactName(name);
    const missing = () => {
      throw new MissingFact(name);
    };
    this.#register(name, { text: name, type: "string", mentions: [], evaluate: missing });
  }

  #register(name: string, expression: Expression): void {
    if (this.#expressions.has(name)) throw new ExpressionError({ message: `\`${name}\` is a name already`, at: 0 });
    const environment = this.environment.clone();
    try {
      environment.registerVariable(name, expression.type);
    } catch (error) {
      throw new ExpressionError(
        { message: `\`${name}\` cannot be a name: CEL has a use for it`, at: 0 },
        { cause: error },
      );
    }
    this.#environment = environment;
    this.#types.set(name, recordTypes.find((type) => type.name === expression.type) ?? null);
    this.#expressions.set(name, expression);
  }
}

function refuseFactName(name: string): void {
  if (factsType.fields.has(name)) throw new ExpressionError({ message: `\`${name}\` is the name of a fact`, at: 0 });
}

/** What a text can show. */
export const SCALARS: readonly string[] = ["string", "int", "double", "bool"];

/**
 * Compiles an expression.
 *
 * @param wanted the types it may have; any scalar for a template, `bool` for a condition
 * @throws ExpressionError at the first thing wrong
 */
export function compileExpression(text: string, wanted: readonly string[], names: Names): Expression {
  const parsed = parse(text, names.environment);
  try {
    checkTree(parsed.ast, names.types);
  } catch (problem) {
    throw problem instanceof Error ? problem : new ExpressionError(problem as ExpressionProblem);
  }
  const checked = parsed.check();
  if (!checked.valid || checked.type === undefined) {
    throw new ExpressionError({
      message: checked.error?.summary ?? "it has no type",
      at: checked.error?.range?.start ?? 0,
    });
  }
  if (!wanted.includes(checked.type)) {
    throw new ExpressionError({ message: `it gives ${checked.type} where ${listed(wanted)} is needed`, at: 0 });
  }
  const weight = Math.ceil(countNodes(parsed.ast) / NODES_PER_WEIGHT);
  return {
    text,
    type: checked.type,
    mentions: mentions(parsed.ast).map((node) => {
      const mentioned = serialize(node);
      const asked = parse(mentioned, names.environment);
      return { text: mentioned, evaluate: (evaluation: Evaluation) => run(asked, weight, evaluation) };
    }),
    evaluate: (evaluation) => run(parsed, weight, evaluation),
  };
}

/** `bool`, or the scalars, whose list would hide the point. */
const listed = (types: readonly string[]): string =>
  types.length === 1 ? types[0]! : "a text, a number or true/false";

function parse(text: string, within: Environment) {
  try {
    return within.parse(text);
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    throw new ExpressionError({ message: error.summary, at: Math.min(error.range?.start ?? 0, text.length) });
  }
}
