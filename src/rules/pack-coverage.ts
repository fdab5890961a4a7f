import { Case, type Outcome } from "./matcher.ts";
import type { Rule } from "./rule.ts";
import type { ReadyCase } from "./test-case.ts";

/** What the cases of a pack show of one of its rules. */
export interface RuleCoverage {
  readonly rule: string;
  readonly status: Rule["status"];
  readonly fires: number;
  readonly quiet: number;
  readonly skips: number;
  readonly conditions: readonly ConditionCoverage[];
  /** What a stable rule must have and this one lacks. */
  readonly lacks: readonly ("a firing case" | "a quiet case")[];
}

export interface ConditionCoverage {
  readonly text: string;
  /** Cases in which it does not hold. */
  readonly unmet: number;
  /** Cases in which it does not hold and no other fails: only they would notice if it were left out. */
  readonly decides: number;
}

/** What a rule answered to a case. */
export interface Answer extends ReadyCase {
  readonly rule: Rule;
  readonly outcome: Outcome;
}

/** What cases show of a rule: counted by what it did, not by what they hoped for. */
export function coverageOf(rule: Rule, answers: readonly Answer[]): RuleCoverage {
  const own = answers.filter((answer) => answer.rule === rule);
  const count = (kind: Outcome["kind"]) => own.filter(({ outcome }) => outcome.kind === kind).length;
  const [fires, quiet, skips] = [count("fire"), count("quiet"), count("skip")];
  const lacks: RuleCoverage["lacks"][number][] = [];
  if (rule.status === "stable" && fires === 0) lacks.push("a firing case");
  if (rule.status === "stable" && quiet === 0) lacks.push("a quiet case");
  // A rule that lacks facts it requires is never asked for its conditions.
  const asked = own.filter(({ outcome }) => outcome.kind !== "skip").map(({ facts }) => unmetConditions(rule, facts));
  const conditions = rule.when.map(({ text }, index) => {
    const unmet = asked.filter((indexes) => indexes.includes(index));
    return { text, unmet: unmet.length, decides: unmet.filter(({ length }) => length === 1).length };
  });
  return { rule: rule.id, status: rule.status, fires, quiet, skips, conditions, lacks };
}

/** Every condition that does not hold, and not only the first; one without an answer is none of them. */
function unmetConditions(rule: Rule, facts: ReadyCase["facts"]): number[] {
  const about = new Case(facts);
  const evaluation = about.evaluation(rule, about.answers(rule));
  return rule.when.flatMap((condition, index) => {
    try {
      return condition.evaluate(evaluation) === false ? [index] : [];
    } catch {
      return [];
    }
  });
}
