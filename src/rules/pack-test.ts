import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import type { Facts } from "../analysis/facts.ts";
import { StopcodeError } from "../binary/index.ts";
import {
  checkShape,
  type DocumentPlace,
  type DocumentProblem,
  didYouMean,
  type Path,
  parseYaml,
  readText,
  type YamlDocument,
} from "../document/index.ts";
import { factsKind, packTestKind } from "./document-kinds.ts";
import { partialFacts } from "./fact-types.ts";
import { verdict } from "./finding.ts";
import { packFiles, readPacks, shippedPacks, testsOf } from "./loader.ts";
import { ask, Case, type Outcome } from "./matcher.ts";
import type { Rule, RulePack } from "./rule.ts";

const testCase = z
  .strictObject({
    name: z.string().min(1),
    rule: z.string(),
    /** Facts written out, as many as the case needs, or the path of a JSON file of facts, from the test's folder. */
    facts: z.union([z.string(), z.record(z.string(), z.unknown())]),
    expect: z.enum(["fire", "quiet", "skip"]),
    verdict: verdict.optional(),
    title: z.string().optional(),
    culprit: z.string().optional(),
    bystander: z.string().optional(),
    advice: z.string().optional(),
    evidence: z.array(z.string()).optional(),
    arm: z.array(z.string()).optional(),
    missing: z.array(z.string()).optional(),
  })
  .describe("one case: what a rule says to some facts");

const testFile = z.strictObject({ cases: z.array(testCase).min(1).max(1000) });

type TestCase = z.infer<typeof testCase>;

/** One thing that came out otherwise than expected. */
export interface Difference {
  readonly what: string;
  readonly expected: string;
  readonly actual: string;
}

export interface CaseResult {
  readonly name: string;
  readonly rule: string;
  readonly where: DocumentPlace;
  readonly passed: boolean;
  readonly differences: readonly Difference[];
}

export interface RuleCoverage {
  readonly rule: string;
  readonly status: Rule["status"];
  readonly fires: number;
  readonly quiet: number;
  readonly skips: number;
  /** What a stable rule must have and this one lacks. */
  readonly lacks: readonly ("a firing case" | "a quiet case")[];
}

export interface PackTestResult {
  readonly pack: string;
  readonly file: string;
  readonly cases: readonly CaseResult[];
  readonly coverage: readonly RuleCoverage[];
  readonly passed: boolean;
}

export interface PackTestRun {
  readonly packs: readonly PackTestResult[];
  /** Packs and tests that could not be read. */
  readonly problems: readonly DocumentProblem[];
  readonly passed: boolean;
}

/**
 * Runs the tests that stand beside packs. A pack or a test with something wrong in it fails the run, and so does a stable rule
 * that no case shows firing or no case shows quiet.
 *
 * @throws StopcodeError `io/open` when a path leads nowhere
 */
export function testPacks(paths: readonly string[] = [shippedPacks]): PackTestRun {
  const { packs, problems } = readPacks(packFiles(paths));
  const found = [...problems];
  const results = packs.map((pack) => testPack(pack, found));
  return { packs: results, problems: found, passed: found.length === 0 && results.every(({ passed }) => passed) };
}

function testPack(pack: RulePack, problems: DocumentProblem[]): PackTestResult {
  const cases = readCases(pack, problems).map(({ test, facts, where }) => runCase(pack, test, facts, where));
  const coverage = pack.rules.map((rule) => coverageOf(rule, cases));
  return {
    pack: pack.id,
    file: pack.file,
    cases: cases.map(({ result }) => result),
    coverage,
    passed: cases.every(({ result }) => result.passed) && coverage.every(({ lacks }) => lacks.length === 0),
  };
}

interface ReadyCase {
  readonly test: TestCase;
  readonly facts: Facts;
  readonly where: DocumentPlace;
}

function readCases(pack: RulePack, problems: DocumentProblem[]): ReadyCase[] {
  const file = testsOf(pack.file);
  if (!existsSync(file)) return [];
  const parsed = parseYaml(packTestKind, file, readText(packTestKind, file));
  if ("problems" in parsed) {
    problems.push(...parsed.problems);
    return [];
  }
  const { document } = parsed;
  const shaped = checkShape(document, testFile);
  if ("problems" in shaped) {
    problems.push(...shaped.problems);
    return [];
  }
  return shaped.value.cases.flatMap((test, index) => {
    const path: Path = ["cases", index];
    if (!pack.rules.some(({ id }) => id === test.rule)) {
      const ids = pack.rules.map(({ id }) => id);
      const hint = didYouMean(test.rule, ids);
      problems.push(
        document.problem("rules/unknown-rule", `the pack has no rule \`${test.rule}\``, [...path, "rule"], { hint }),
      );
      return [];
    }
    const facts = readFacts(document, test.facts, [...path, "facts"]);
    if ("problems" in facts) {
      problems.push(...facts.problems);
      return [];
    }
    return [{ test, facts: facts.value as Facts, where: document.where([...path, "name"]) }];
  });
}

/** Facts of a case: nothing is required of them, but what they hold must be facts. */
function readFacts(document: YamlDocument, source: TestCase["facts"], path: Path) {
  if (typeof source !== "string") return checkShape(document, partialFacts, source, path);
  const file = resolve(dirname(document.file), source);
  try {
    // JSON is YAML: the same reader gives the same limits and the same positions.
    const parsed = parseYaml(factsKind, file, readText(factsKind, file));
    return "problems" in parsed ? parsed : checkShape(parsed.document, partialFacts);
  } catch (error) {
    if (!(error instanceof StopcodeError)) throw error;
    return { problems: [document.problem(error.code, `the facts in ${source}: ${error.message}`, path)] };
  }
}

interface CaseRun {
  readonly outcome: Outcome;
  readonly result: CaseResult;
}

function runCase(pack: RulePack, test: TestCase, facts: Facts, where: DocumentPlace): CaseRun {
  const rule = pack.rules.find(({ id }) => id === test.rule)!;
  const outcome = ask(rule, new Case(facts));
  const differences = compare(test, rule, outcome);
  const result = { name: test.name, rule: test.rule, where, passed: differences.length === 0, differences };
  return { outcome, result };
}

function compare(test: TestCase, rule: Rule, outcome: Outcome): Difference[] {
  if (test.expect !== outcome.kind)
    return [{ what: "expect", expected: test.expect, actual: outcomeText(rule, outcome) }];
  const finding = outcome.kind === "fire" ? outcome.finding : null;
  const actual: Readonly<Record<string, string | undefined>> = {
    verdict: finding?.verdict,
    title: finding?.title,
    culprit: finding?.culprit.name,
    bystander: finding?.bystander?.name,
    advice: finding?.advice,
    evidence: finding?.evidence.map(({ text }) => text).join("\n"),
    arm: finding?.arm.map(({ check, target }) => (target === null ? check : `${check} ${target}`)).join("\n"),
    missing: outcome.kind === "skip" ? outcome.missing.join("\n") : undefined,
  };
  return Object.entries(actual).flatMap(([what, value]) => {
    const wanted = test[what as keyof TestCase] as string | string[] | undefined;
    if (wanted === undefined) return [];
    const expected = Array.isArray(wanted) ? wanted.join("\n") : wanted;
    return expected === (value ?? "") ? [] : [{ what, expected, actual: value ?? "" }];
  });
}

function outcomeText(rule: Rule, outcome: Outcome): string {
  if (outcome.kind === "fire") return `fire: ${outcome.finding.title}`;
  if (outcome.kind === "quiet") return `quiet: this does not hold: ${rule.when[outcome.condition]!.text}`;
  return `skip: ${outcome.reason}${outcome.missing.length === 0 ? "" : `: ${outcome.missing.join(", ")}`}`;
}

function coverageOf(rule: Rule, cases: readonly CaseRun[]): RuleCoverage {
  const own = cases.filter(({ result }) => result.rule === rule.id);
  const count = (kind: Outcome["kind"]) => own.filter(({ outcome }) => outcome.kind === kind).length;
  const [fires, quiet, skips] = [count("fire"), count("quiet"), count("skip")];
  const lacks: RuleCoverage["lacks"][number][] = [];
  if (rule.status === "stable" && fires === 0) lacks.push("a firing case");
  if (rule.status === "stable" && quiet === 0) lacks.push("a quiet case");
  return { rule: rule.id, status: rule.status, fires, quiet, skips, lacks };
}

/** A difference as two lines below each other, and where they part. */
export function differenceText({ what, expected, actual }: Difference): string {
  const wanted = expected.split("\n");
  const got = actual.split("\n");
  const lines = Array.from({ length: Math.max(wanted.length, got.length) }, (_, index) => {
    const [left, right] = [wanted[index], got[index]];
    if (left === right) return [`    ${left}`];
    const part = parting(left ?? "", right ?? "");
    return [
      ...(left === undefined ? [] : [`  - ${left}`]),
      ...(right === undefined ? [] : [`  + ${right}`]),
      ...(left === undefined || right === undefined ? [] : [`    ${" ".repeat(part)}^`]),
    ];
  });
  return [`${what}:`, ...lines.flat()].join("\n");
}

function parting(left: string, right: string): number {
  const shorter = Math.min(left.length, right.length);
  for (let at = 0; at < shorter; at++) if (left[at] !== right[at]) return at;
  return shorter;
}
