import type { Facts } from "../analysis/facts.ts";
import type { Evaluation, Expression } from "./expression.ts";
import { hasFact, MissingFact } from "./fact-view.ts";
import type { Finding } from "./finding.ts";
import type { LogPattern, PatternAnswer } from "./log-pattern.ts";
import { ask, Case, failure, type Outcome, unansweredReason } from "./matcher.ts";
import { isCapture, type Rule } from "./rule.ts";

export interface ConditionExplanation {
  readonly text: string;
  /** `unanswered`: a fact is missing, or the evaluation failed; `reason` says which. */
  readonly result: "holds" | "does not hold" | "unanswered";
  readonly reason: string | null;
  /** What the condition read, and what it found; null where there was nothing. */
  readonly values: readonly { readonly text: string; readonly value: string | null }[];
}

export interface PatternExplanation {
  readonly match: string;
  readonly unless: string | null;
  /** `unanswered`: there is no log, or it is not complete, or the search was stopped; `reason` says which. */
  readonly result: "found" | "not found" | "unanswered";
  readonly reason: string | null;
  /** The first line that matched. */
  readonly line: { readonly file: string | null; readonly line: number; readonly text: string } | null;
  readonly captures: readonly { readonly name: string; readonly text: string | null }[];
}

/** Why a rule fired, stayed quiet, or was skipped. */
export interface Explanation {
  readonly rule: string;
  readonly pack: string;
  readonly summary: string;
  /** A draft is not asked by `diagnose`. */
  readonly status: Rule["status"];
  readonly outcome: "fire" | "quiet" | "skip";
  readonly reason: string | null;
  readonly requires: readonly { readonly fact: string; readonly present: boolean }[];
  /** The rule's own names, and what they stand for here; null where a fact was missing. */
  readonly names: readonly { readonly name: string; readonly text: string; readonly value: string | null }[];
  readonly log: readonly PatternExplanation[];
  readonly conditions: readonly ConditionExplanation[];
  readonly finding: Finding | null;
}

/** Explains what a rule says to facts, condition by condition with the values it saw. */
export function explainRule(facts: Facts, rule: Rule): Explanation {
  const about = new Case(facts);
  const outcome = ask(rule, about);
  const answers = about.answers(rule);
  const conditions = rule.when.map((condition) => {
    about.meter.beginPack();
    return explainCondition(condition, about.evaluation(rule, answers));
  });
  about.meter.beginPack();
  const named = about.evaluation(rule, answers);
  return {
    rule: rule.id,
    pack: rule.pack,
    summary: rule.summary,
    status: rule.status,
    outcome: outcome.kind,
    reason: reasonOf(outcome),
    requires: rule.requires.map((fact) => ({ fact, present: hasFact(facts, fact) })),
    names: [...rule.names].flatMap(([name, { text, evaluate }]) =>
      isCapture(name, rule) ? [] : [{ name, text, value: shownValue({ evaluate }, named) }],
    ),
    log: answers.map((answer, index) => explainPattern(rule.log[index]!, answer, about)),
    conditions,
    finding: outcome.kind === "fire" ? outcome.finding : null,
  };
}

function reasonOf(outcome: Outcome): string | null {
  if (outcome.kind === "fire") return null;
  return outcome.kind === "quiet" ? outcome.unmet : outcome.reason;
}

function explainPattern({ match, unless }: LogPattern, answer: PatternAnswer, about: Case): PatternExplanation {
  const asked = { match: match.text, unless: unless?.text ?? null };
  if (answer.kind === "found") {
    const { line, text } = answer.line;
    const captures = Object.entries(answer.captures).map(([name, taken]) => ({ name, text: taken }));
    return { ...asked, result: "found", reason: null, line: { file: about.logFile, line, text }, captures };
  }
  const reason = unansweredReason(answer, about.facts)?.message ?? null;
  return { ...asked, result: reason === null ? "not found" : "unanswered", reason, line: null, captures: [] };
}

function explainCondition(condition: Expression, evaluation: Evaluation): ConditionExplanation {
  const values = condition.mentions.map((mention) => ({
    text: mention.text,
    value: shownValue(mention, evaluation),
  }));
  try {
    const result = condition.evaluate(evaluation) === true ? "holds" : "does not hold";
    return { text: condition.text, result, reason: null, values };
  } catch (error) {
    const reason = error instanceof MissingFact ? error.message : failure(error).reason;
    return { text: condition.text, result: "unanswered", reason, values };
  }
}

function shownValue(asked: Pick<Expression, "evaluate">, evaluation: Evaluation): string | null {
  try {
    return written(asked.evaluate(evaluation));
  } catch {
    return null;
  }
}

const LIST_SHOWN = 8;

function written(value: unknown): string {
  if (typeof value === "bigint") return `${value} (0x${BigInt.asUintN(64, value).toString(16)})`;
  if (Array.isArray(value)) {
    const scalars = value.every((element) => typeof element !== "object");
    if (!scalars || value.length > LIST_SHOWN) return `${value.length} entries`;
    return `[${value.map(written).join(", ")}]`;
  }
  if (typeof value === "object") return "present";
  return JSON.stringify(value);
}
