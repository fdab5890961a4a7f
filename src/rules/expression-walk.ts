import { type ASTNode, serialize } from "@marcbachmann/cel-js";
import { didYouMean } from "../document/index.ts";
import { factFunctions } from "./fact-functions.ts";
import { type FactType, factsType, fieldType } from "./fact-types.ts";

/** What is wrong with an expression, at which character of it (from 0). */
export interface ExpressionProblem {
  readonly message: string;
  readonly at: number;
  readonly hint?: string | undefined;
}

const LOOPS = ["all", "exists", "exists_one", "filter", "map"];
const METHODS = [...LOOPS, "contains", "startsWith", "endsWith", "lowerAscii", "size"];
const FACT_FUNCTIONS = factFunctions.map(({ signature }) => signature.slice(0, signature.indexOf("(")));
const FUNCTIONS = [...new Set(FACT_FUNCTIONS), "present", "size", "string", "int", "double"];
const OPERATORS = new Set([
  "==",
  "!=",
  "in",
  "<",
  "<=",
  ">",
  ">=",
  "+",
  "-",
  "*",
  "/",
  "%",
  "||",
  "&&",
  "!_",
  "-_",
  "?:",
  "list",
]);

/** How deep loops may stand in each other: each level multiplies the time. */
const LOOP_DEPTH = 3;

const INSTEAD: Readonly<Record<string, string>> = {
  has: "write `present(…)`: it is also false when something before the last name is missing",
  matches: "use `contains`, `startsWith` or `endsWith`: patterns that a hostile line can make slow are not allowed",
  join: "write `join(list, separator)`",
  dyn: "every fact has a type; `dyn` would only hide a mistake",
};

/** What names stand for besides the facts: the rule's own names and the variables of the loops around; null is some scalar. */
type Scope = ReadonlyMap<string, FactType | null>;

const isNode = (value: unknown): value is ASTNode => typeof value === "object" && value !== null && "op" in value;

/** The nodes directly below a node. */
function children(node: ASTNode): ASTNode[] {
  const found: ASTNode[] = [];
  const look = (value: unknown): void => {
    if (isNode(value)) found.push(value);
    else if (Array.isArray(value)) value.forEach(look);
  };
  look(node.args);
  return found;
}

/** How many nodes an expression has: its size, for the price of a step. */
export const countNodes = (node: ASTNode): number => children(node).reduce((sum, child) => sum + countNodes(child), 1);

/** The fact type of a chain such as `crash.stack[0].module`; null for what is computed. */
function chainType(node: ASTNode, scope: Scope): FactType | null {
  if (node.op === "id") return scope.get(node.args) ?? factsType.fields.get(node.args) ?? null;
  if (node.op === "call" && node.args[0] === "largest" && node.args[1][0] !== undefined) {
    const list = chainType(node.args[1][0], scope);
    return list?.kind === "list" ? list.of : null;
  }
  if (node.op === ".") {
    const owner = chainType(node.args[0], scope);
    return owner === null ? null : fieldType(owner, node.args[1]);
  }
  if (node.op === "[]") {
    const owner = chainType(node.args[0], scope);
    return owner?.kind === "list" || owner?.kind === "map" ? owner.of : null;
  }
  if (node.op === "rcall" && node.args[0] === "filter") return chainType(node.args[1], scope);
  return null;
}

/**
 * Checks what the library's own type check does not: only known operators and functions are used, each name is a fact (with the
 * nearest one as a hint), a text compared with a fact of few values is one of them, and loops run over facts.
 *
 * @throws the first {@link ExpressionProblem}
 */
export function checkTree(node: ASTNode, scope: Scope, depth = 0): void {
  const refuse = (message: string, hint?: string, at = node.start): never => {
    throw { message, at, hint } satisfies ExpressionProblem;
  };
  switch (node.op) {
    case "id": {
      const known = [...factsType.fields.keys(), ...scope.keys()];
      if (!known.includes(node.args)) refuse(`there is no fact \`${node.args}\``, didYouMean(node.args, known));
      return;
    }
    case "value":
      if (!["string", "bigint", "number", "boolean"].includes(typeof node.args)) {
        refuse("only texts, numbers, true and false may be written out", "ask for a missing fact with `present(…)`");
      }
      return;
    case ".": {
      const [owner, field] = node.args;
      checkTree(owner, scope, depth);
      const ownerType = chainType(owner, scope);
      if (ownerType?.kind === "record" && !ownerType.fields.has(field)) {
        const hint = didYouMean(field, ownerType.fields.keys());
        refuse(`there is no fact \`${serialize(node)}\``, hint, node.pos);
      }
      return;
    }
    case "[]":
      break;
    case "call": {
      const [name] = node.args;
      if (!FUNCTIONS.includes(name))
        refuse(`there is no function \`${name}\``, INSTEAD[name] ?? didYouMean(name, FUNCTIONS));
      break;
    }
    case "rcall": {
      const [name, receiver, rest] = node.args;
      if (!METHODS.includes(name)) refuse(`there is no method \`${name}\``, INSTEAD[name] ?? didYouMean(name, METHODS));
      if (!LOOPS.includes(name)) break;
      checkLoop(node, receiver, rest, scope, depth);
      return;
    }
    default:
      if (!OPERATORS.has(node.op)) refuse(`\`${serialize(node)}\` uses a construct that rules do not have`);
  }
  if (node.op === "==" || node.op === "!=" || node.op === "in") checkValues(node.args, scope);
  for (const child of children(node)) checkTree(child, scope, depth);
}

/** `list.all(name, condition)` and its kin. */
function checkLoop(node: ASTNode, receiver: ASTNode, rest: readonly ASTNode[], scope: Scope, depth: number): void {
  const problem = (at: number, message: string): ExpressionProblem => ({ at, message });
  if (depth === LOOP_DEPTH) throw problem(node.start, `loops stand more than ${LOOP_DEPTH} deep in each other`);
  const [variable, ...bodies] = rest;
  if (variable === undefined) return; // the type check says which arguments are missing
  if (variable.op !== "id") throw problem(variable.start, "the first argument names the element: a plain name");
  if (factsType.fields.has(variable.args) || scope.has(variable.args)) {
    throw problem(variable.start, `\`${variable.args}\` already names something else`);
  }
  if (!isIterable(receiver)) {
    throw problem(receiver.start, "loops run over a list of facts that is named here, or over values written out");
  }
  checkTree(receiver, scope, depth);
  const list = chainType(receiver, scope);
  const element = list?.kind === "list" ? list.of : null;
  for (const body of bodies) checkTree(body, new Map([...scope, [variable.args, element]]), depth + 1);
}

/** Reading such a list is counted each time, so no chain of loops can multiply what was read once. */
function isIterable(node: ASTNode): boolean {
  if (node.op === "rcall") return (node.args[0] === "filter" || node.args[0] === "map") && isIterable(node.args[1]);
  if (node.op === "list") return node.args.every((element) => element.op === "value");
  return node.op === "." || (node.op === "id" && factsType.fields.has(node.args));
}

/** `os.family == "window"` would be false for ever: a fact with few values is compared with one of them. */
function checkValues([left, right]: readonly ASTNode[], scope: Scope): void {
  for (const [fact, other] of [[left!, right!] as const, [right!, left!] as const]) {
    const type = chainType(fact, scope);
    if (type?.kind !== "text" || type.values === null) continue;
    for (const value of other.op === "list" ? other.args : [other]) {
      if (value.op !== "value" || typeof value.args !== "string" || type.values.includes(value.args)) continue;
      const hint = didYouMean(value.args, type.values) ?? `it is one of ${type.values.join(", ")}`;
      throw {
        message: `\`${serialize(fact)}\` is never "${value.args}"`,
        at: value.start,
        hint,
      } satisfies ExpressionProblem;
    }
  }
}

/** The facts and function results a person would ask for to see why an expression came out as it did, outermost first. */
export function mentions(node: ASTNode): ASTNode[] {
  const found = new Map<string, ASTNode>();
  collect(node, new Set(), found);
  return [...found.values()];
}

function collect(node: ASTNode, bound: ReadonlySet<string>, found: Map<string, ASTNode>): void {
  const chain = node.op === "." || node.op === "[]" || node.op === "id";
  const call = node.op === "call" && FACT_FUNCTIONS.includes(node.args[0]);
  if ((chain || call) && !names(node).some((name) => bound.has(name))) {
    found.set(serialize(node), node);
    return;
  }
  if (node.op === "rcall" && LOOPS.includes(node.args[0])) {
    const [variable, ...bodies] = node.args[2];
    collect(node.args[1], bound, found);
    const inside = variable?.op === "id" ? new Set([...bound, variable.args]) : bound;
    for (const body of bodies) collect(body, inside, found);
    return;
  }
  for (const child of children(node)) collect(child, bound, found);
}

const names = (node: ASTNode): string[] => (node.op === "id" ? [node.args] : children(node).flatMap(names));
