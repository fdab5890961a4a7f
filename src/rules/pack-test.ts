import { StopcodeError } from "../binary/index.ts";
import type { DocumentPlace, DocumentProblem } from "../document/index.ts";
import { explainRule } from "./explain.ts";
import { readPacks } from "./loader.ts";
import { ask, Case } from "./matcher.ts";
import { type Answer, coverageOf, type RuleCoverage } from "./pack-coverage.ts";
import { shippedPacks } from "./pack-sources.ts";
import type { RulePack } from "./rule.ts";
import { type CaseReading, type ReadyCase, readCases, type TestCase } from "./test-case.ts";
import { markedWords, wordDifference } from "./word-difference.ts";

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
  /** Whether the rule said what the case expects. */
  readonly passed: boolean;
  /** Why the case is known not to hold yet; null for a case that must. */
  readonly todo: string | null;
  readonly differences: readonly Difference[];
}

export interface PackTestResult {
  readonly pack: string;
  readonly file: string;
  readonly cases: readonly CaseResult[];
  readonly coverage: readonly RuleCoverage[];
  readonly passed: boolean;
}

/** The document of `rules test --json`. */
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
 * @param only runs the cases that have this in their name, written `pack/rule: name`; what rules lack is not asked then
 * @throws StopcodeError `io/open` when a path leads nowhere; `usage/no-case` when no case has such a name
 */
export function testPacks(
  sources: readonly string[] = [shippedPacks],
  { only, signedBy }: { readonly only?: string | undefined; readonly signedBy?: string | undefined } = {},
): PackTestRun {
  const { packs, problems, check } = readPacks(sources, signedBy);
  const found = [...problems];
  const results = packs.map((pack) => testPack(pack, only, { problems: found, check }));
  if (only !== undefined && found.length === 0 && results.every(({ cases }) => cases.length === 0)) {
    throw new StopcodeError("usage/no-case", `no case has \`${only}\` in its name`, {
      hint: "a case is looked for as `pack/rule: name`; `stopcode rules test --json` lists all",
    });
  }
  return { packs: results, problems: found, passed: found.length === 0 && results.every(({ passed }) => passed) };
}

function testPack(pack: RulePack, only: string | undefined, reading: CaseReading): PackTestResult {
  const wanted = ({ test }: ReadyCase) =>
    only === undefined || `${pack.id}/${test.rule}: ${test.name}`.toLowerCase().includes(only.toLowerCase());
  const answers = readCases(pack, reading)
    .filter(wanted)
    .map((ready) => answer(pack, ready));
  const cases = answers.map(resultOf);
  const coverage = only === undefined ? pack.rules.map((rule) => coverageOf(rule, answers)) : [];
  return {
    pack: pack.id,
    file: pack.file,
    cases,
    coverage,
    passed: !cases.some(hasFailed) && coverage.every(({ lacks }) => lacks.length === 0),
  };
}

/** A case that does not hold, and should. */
export const hasFailed = ({ passed, todo }: CaseResult): boolean => !passed && todo === null;

function answer(pack: RulePack, ready: ReadyCase): Answer {
  const rule = pack.rules.find(({ id }) => id === ready.test.rule)!;
  return { ...ready, rule, outcome: ask(rule, new Case(ready.facts)) };
}

function resultOf(given: Answer): CaseResult {
  const { test, where } = given;
  const differences = compare(given);
  const { name, rule, todo = null } = test;
  return { name, rule, where, passed: differences.length === 0, todo, differences };
}

/** What of a case came out otherwise than it expects. */
function compare(given: Answer): Difference[] {
  const { test, outcome } = given;
  if (test.expect !== outcome.kind) return [{ what: "expect", expected: test.expect, actual: outcomeText(given) }];
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

function outcomeText({ rule, facts, outcome }: Answer): string {
  if (outcome.kind === "fire") return `fire: ${outcome.finding.title}`;
  if (outcome.kind === "skip")
    return `skip: ${outcome.reason}${outcome.missing.length === 0 ? "" : `: ${outcome.missing.join(", ")}`}`;
  const condition = explainRule(facts, rule).conditions.find(({ result }) => result === "does not hold");
  const read = condition?.values.map((value) => `, where ${value.text} is ${value.value ?? "missing"}`) ?? [];
  return `quiet: ${outcome.unmet}${read.join("")}`;
}

/** A difference as two lines below each other, with the words marked that only one of them has. */
export function differenceText({ what, expected, actual }: Difference): string {
  const words = wordDifference(expected, actual);
  const lines = (sign: string, text: string) => text.split("\n").map((line) => `  ${sign} ${line}`);
  return [`${what}:`, ...lines("-", markedWords("expected", words)), ...lines("+", markedWords("actual", words))].join(
    "\n",
  );
}
