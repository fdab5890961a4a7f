import type { Facts } from "../analysis/facts.ts";
import type { Evaluation, Expression } from "./expression.ts";
import { hasFact, MissingFact } from "./fact-view.ts";
import type { Finding } from "./finding.ts";
import { ask, Case, failure } from "./matcher.ts";
import type { Rule } from "./rule.ts";

export interface ConditionExplanation {
  readonly text: string;
  /** `unanswered`: a fact is missing, or the evaluation failed; `reason` says which. */
  readonly result: "holds" | "does not hold" | "unanswered";
  readonly reason: string | null;
  /** What the condition read, and what it found; null where there was nothing. */
  readonly values: readonly { readonly text: string; readonly value: string | null }[];
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
  readonly conditions: readonly ConditionExplanation[];
  readonly finding: Finding | null;
}

/** Explains what a rule says to facts, condition by condition with the values it saw. */
export function explainRule(facts: Facts, rule: Rule): Explanation {
  const about = new Case(facts);
  const outcome = ask(rule, about);
  const conditions = rule.when.map((condition) => {
    about.meter.beginPack();
    return explainCondition(condition, about.evaluation(rule));
  });
  about.meter.beginPack();
  const named = about.evaluation(rule);
  const unmet = outcome.kind === "quiet" ? `this does not hold: ${rule.when[outcome.condition]!.text}` : null;
  return {
    rule: rule.id,
    pack: rule.pack,
    summary: rule.summary,
    status: rule.status,
    outcome: outcome.kind,
    reason: outcome.kind === "skip" ? outcome.reason : unmet,
    requires: rule.requires.map((fact) => ({ fact, present: hasFact(facts, fact) })),
    names: [...rule.names].map(([name, { text, evaluate }]) => ({
      name,
      text,
      value: shownValue({ evaluate }, named),
    })),
    conditions,
    finding: outcome.kind === "fire" ? outcome.finding : null,
  };
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
