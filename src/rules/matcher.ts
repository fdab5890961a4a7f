import type { Facts } from "../analysis/facts.ts";
import { checks } from "./checks.ts";
import type { Evaluation } from "./expression.ts";
import { type FactRecord, hasFact, Meter, MissingFact, OutOfSteps, viewFacts } from "./fact-view.ts";
import type { ArmRequest, Diagnosis, Finding, SkippedRule } from "./finding.ts";
import type { CulpritTemplate, Rule, RulePack } from "./rule.ts";
import type { Template } from "./template.ts";

/** What came of asking one rule. */
export type Outcome =
  | { readonly kind: "fire"; readonly finding: Finding }
  /** `condition` is the index of the first condition that does not hold. */
  | { readonly kind: "quiet"; readonly condition: number }
  | { readonly kind: "skip"; readonly missing: readonly string[]; readonly reason: string };

/** Facts made ready to be asked about. */
export class Case {
  readonly facts: Facts;
  readonly meter = new Meter();
  readonly #view: FactRecord;

  constructor(facts: Facts) {
    this.facts = facts;
    this.#view = viewFacts(facts, this.meter);
  }

  /** For the expressions of one rule, with its steps before it. */
  evaluation(rule: Rule): Evaluation {
    this.meter.beginRule();
    return { facts: this.#view, meter: this.meter, names: rule.names, values: new Map() };
  }
}

/** Asks a rule about a case. */
export function ask(rule: Rule, about: Case): Outcome {
  const absent = rule.requires.filter((path) => !hasFact(about.facts, path));
  if (absent.length > 0) return { kind: "skip", missing: absent, reason: "facts it requires are missing" };
  const evaluation = about.evaluation(rule);
  try {
    const condition = firstUnmet(rule, evaluation);
    if (condition >= 0) return { kind: "quiet", condition };
    return { kind: "fire", finding: render(rule, evaluation) };
  } catch (error) {
    return failure(error);
  }
}

/** Why an evaluation came to no answer. */
export function failure(error: unknown): Outcome & { kind: "skip" } {
  if (error instanceof MissingFact) {
    return { kind: "skip", missing: [error.path], reason: "a fact it turned out to need is missing" };
  }
  if (error instanceof OutOfSteps) {
    return { kind: "skip", missing: [], reason: `it was stopped: it took more than ${Meter.STEPS_PER_RULE} steps` };
  }
  return { kind: "skip", missing: [], reason: error instanceof Error ? error.message : String(error) };
}

/**
 * The first condition that does not hold, or -1. A condition that is plainly false settles the matter even where an earlier one
 * could not be answered; only then is what is missing worth telling.
 */
function firstUnmet(rule: Rule, evaluation: Evaluation): number {
  let unanswered: unknown = null;
  for (const [index, condition] of rule.when.entries()) {
    try {
      if (condition.evaluate(evaluation) !== true) return index;
    } catch (error) {
      unanswered ??= error;
    }
  }
  if (unanswered !== null) throw unanswered;
  return -1;
}

function render(rule: Rule, evaluation: Evaluation): Finding {
  const culprit = ({ kind, name }: CulpritTemplate) => ({ kind, name: name.render(evaluation) });
  return {
    rule: rule.id,
    pack: rule.pack,
    verdict: rule.verdict,
    severity: rule.severity,
    title: rule.title.render(evaluation),
    culprit: culprit(rule.culprit),
    bystander: rule.bystander === null ? null : unlessMissing(() => culprit(rule.bystander!)),
    evidence: rule.evidence.flatMap(({ text, address }) => {
      const shown = unlessMissing(() => text.render(evaluation));
      if (shown === null) return [];
      return [{ text: shown, address: address === null ? null : unlessMissing(() => address.render(evaluation)) }];
    }),
    advice: rule.advice.render(evaluation),
    arm: rule.arm.map(({ check, target, how }) => armRequest(check, target, how, evaluation)),
  };
}

function armRequest(check: string, target: Template | null, how: Template | null, evaluation: Evaluation): ArmRequest {
  const driver = target === null ? null : target.render(evaluation);
  return { check, target: driver, how: how === null ? checks[check]!.how(driver) : how.render(evaluation) };
}

/** Evidence is shown as far as there is any. */
function unlessMissing<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (error instanceof MissingFact) return null;
    throw error;
  }
}

const VERDICTS: readonly Finding["verdict"][] = ["identified", "probable", "suspect", "excluded"];
const SEVERITIES: readonly Finding["severity"][] = ["critical", "high", "medium", "low", "info"];

/** Asks every rule of the packs that is no draft. Findings come best first: by verdict, then by severity, then as the packs have them. */
export function diagnose(facts: Facts, packs: readonly RulePack[]): Diagnosis {
  const about = new Case(facts);
  const findings: Finding[] = [];
  const skipped: SkippedRule[] = [];
  for (const pack of packs) {
    about.meter.beginPack();
    for (const rule of pack.rules.filter(({ status }) => status !== "draft")) {
      const outcome = ask(rule, about);
      if (outcome.kind === "fire") findings.push(outcome.finding);
      if (outcome.kind === "skip")
        skipped.push({ rule: rule.id, missing: [...outcome.missing], reason: outcome.reason });
    }
  }
  findings.sort(
    (left, right) =>
      VERDICTS.indexOf(left.verdict) - VERDICTS.indexOf(right.verdict) ||
      SEVERITIES.indexOf(left.severity) - SEVERITIES.indexOf(right.severity),
  );
  return { findings, skipped, arm: withoutDuplicates(findings.flatMap(({ arm }) => arm)) };
}

/** A check is switched on once per target; what is on for the whole system needs no switching on for one driver. */
function withoutDuplicates(requests: readonly ArmRequest[]): ArmRequest[] {
  const everywhere = new Set(requests.filter(({ target }) => target === null).map(({ check }) => check));
  const wanted = new Map<string, ArmRequest>();
  for (const request of requests) {
    if (request.target !== null && everywhere.has(request.check)) continue;
    const key = JSON.stringify([request.check, request.target]);
    if (!wanted.has(key)) wanted.set(key, request);
  }
  return [...wanted.values()];
}
