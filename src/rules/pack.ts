import {
  byPlace,
  checkShape,
  type DocumentProblem,
  didYouMean,
  type Path,
  parseYaml,
  type YamlDocument,
} from "../document/index.ts";
import { packKind } from "./document-kinds.ts";
import { compileExpression, ExpressionError, Names } from "./expression.ts";
import { unknownFact } from "./fact-types.ts";
import type { LogPattern } from "./log-pattern.ts";
import { NAME, packSource, type RuleSource } from "./pack-schema.ts";
import { PatternAccount } from "./pattern-account.ts";
import type { RegularExpression } from "./regular-expression.ts";
import type { CulpritTemplate, Rule, RulePack } from "./rule.ts";
import { compileTemplate, type Template } from "./template.ts";

/** A pack with the document it was compiled from, or what is wrong with it. */
export type PackReading =
  | {
      readonly pack: RulePack;
      readonly document: YamlDocument;
      readonly problems: readonly [];
      /** What is sound and yet costs more than it need. */
      readonly warnings: readonly DocumentProblem[];
    }
  | { readonly pack: null; readonly problems: readonly DocumentProblem[] };

/** Reads a pack from its text and compiles it; all problems are found at once. */
export function readPack(file: string, text: string): PackReading {
  const parsed = parseYaml(packKind, file, text);
  if ("problems" in parsed) return { pack: null, problems: parsed.problems };
  const shaped = checkShape(parsed.document, packSource);
  if ("problems" in shaped) return { pack: null, problems: shaped.problems };
  const { pack, rules } = shaped.value;
  const patterns = new PatternAccount();
  const compilers = rules.map(
    (rule, index) => new RuleCompiler(parsed.document, pack.id, rule, ["rules", index], patterns),
  );
  const compiled = compilers.map((compiler) => compiler.compile());
  const problems = compilers.flatMap((compiler) => compiler.problems);
  if (problems.length > 0) return { pack: null, problems: problems.sort(byPlace) };
  const warnings = compilers.flatMap((compiler) => compiler.warnings);
  return { pack: { ...pack, file, rules: compiled }, document: parsed.document, problems: [], warnings };
}

class RuleCompiler {
  readonly problems: DocumentProblem[] = [];
  readonly warnings: DocumentProblem[] = [];
  readonly #document: YamlDocument;
  readonly #pack: string;
  readonly #source: RuleSource;
  readonly #path: Path;
  readonly #patterns: PatternAccount;
  readonly #names = new Names();

  constructor(document: YamlDocument, pack: string, source: RuleSource, path: Path, patterns: PatternAccount) {
    this.#document = document;
    this.#pack = pack;
    this.#source = source;
    this.#path = path;
    this.#patterns = patterns;
  }

  compile(): Rule {
    const { id, status, severity, verdict, summary, requires, procedure } = this.#source;
    for (const [index, fact] of requires.entries()) this.#requirement(fact, ["requires", index]);
    const log = this.#source.log.map((source, index) => this.#logPattern(source, ["log", index]));
    for (const [name, text] of Object.entries(this.#source.let)) {
      this.#attempt(["let", name], () => this.#names.define(name, text));
    }
    this.#stage();
    return {
      ...{ id, pack: this.#pack, status, severity, verdict, summary, requires, log, names: this.#names.expressions },
      when: this.#source.when.map((text, index) =>
        this.#attempt(["when", index], () => compileExpression(text, ["bool"], this.#names)),
      ),
      title: this.#template(this.#source.title, ["title"]),
      culprit: this.#culprit(this.#source.culprit, ["culprit"]),
      bystander: this.#source.bystander ? this.#culprit(this.#source.bystander, ["bystander"]) : null,
      evidence: this.#source.evidence.map(({ text, address }, index) => ({
        text: this.#template(text, ["evidence", index, "text"]),
        address: this.#optional(address, ["evidence", index, "address"]),
      })),
      advice: this.#template(this.#source.advice, ["advice"]),
      arm: this.#source.arm.map(({ check, target, how }, index) => ({
        check,
        target: this.#optional(target, ["arm", index, "target"]),
        how: this.#optional(how, ["arm", index, "how"]),
      })),
      procedure: procedure
        ? { stopCode: procedure.stopCode, after: procedure.after ?? null, check: procedure.check ?? null }
        : null,
      where: this.#document.where([...this.#path, "id"]),
    };
  }

  #logPattern({ match, unless }: RuleSource["log"][number], path: Path): LogPattern {
    const compile = (text: string, key: string): RegularExpression =>
      this.#patterns.isSpent ? (undefined as never) : this.#attempt([...path, key], () => this.#patterns.compile(text));
    const compiled = {
      match: compile(match, "match"),
      unless: unless === undefined ? null : compile(unless, "unless"),
    };
    if (compiled.match === undefined) return compiled;
    for (const name of compiled.match.names) this.#attempt([...path, "match"], () => this.#capture(match, name));
    if (compiled.match.literals.length === 0) {
      const message = "every line of every log is tried on this pattern: there is no text that its lines must hold";
      const hint = "write out a part of three letters or more that they have in common";
      this.warnings.push(
        this.#document.problem("rules/slow-pattern", message, [...this.#path, ...path, "match"], { hint }),
      );
    }
    return compiled;
  }

  #capture(pattern: string, name: string): void {
    const at = pattern.indexOf(`<${name}>`) + 1;
    if (!NAME.test(name)) throw new ExpressionError({ message: `a capture's name is a word such as \`driver\``, at });
    try {
      this.#names.declare(name);
    } catch (error) {
      throw error instanceof ExpressionError ? new ExpressionError({ ...error.problem, at }) : error;
    }
  }

  #culprit({ kind, name }: RuleSource["culprit"], path: Path): CulpritTemplate {
    return { kind, name: this.#template(name, [...path, "name"]) };
  }

  #template(text: string, path: Path): Template {
    return this.#attempt(path, () => compileTemplate(text, this.#names));
  }

  #optional(text: string | undefined, path: Path): Template | null {
    return text === undefined ? null : this.#template(text, path);
  }

  /** What could not be made is never used: with a problem in it, the pack is refused. */
  #attempt<T>(path: Path, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      const { message, at, hint } = error.problem;
      this.#refuse("rules/expression", message, path, { at, hint });
      return undefined as T;
    }
  }

  #refuse(code: string, message: string, path: Path, detail: { at?: number; hint?: string | undefined } = {}): void {
    this.problems.push(this.#document.problem(code, message, [...this.#path, ...path], detail));
  }

  #requirement(fact: string, path: Path): void {
    const unknown = unknownFact(fact);
    if (unknown === null) return;
    const hint = didYouMean(unknown.name, unknown.known);
    const at = unknown.path.length - unknown.name.length;
    this.#refuse("rules/unknown-fact", `there is no fact \`${unknown.path}\``, path, { at, hint });
  }

  #stage(): void {
    const check = this.#source.procedure?.check;
    if (check === undefined || this.#source.arm.some((asked) => asked.check === check)) return;
    const message = `the stage switches \`${check}\` on, but the rule does not ask for it in \`arm\``;
    this.#refuse("rules/procedure", message, ["procedure", "check"]);
  }
}
