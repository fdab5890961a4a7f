import type { Facts } from "../analysis/facts.ts";
import { checks } from "./checks.ts";
import type { Evaluation } from "./expression.ts";
import { type FactRecord, hasFact, Meter, MissingFact, OutOfSteps, viewFacts } from "./fact-view.ts";
import type { ArmRequest, Diagnosis, Finding, SkippedRule } from "./finding.ts";
import type { LogLine, PatternAnswer } from "./log-pattern.ts";
import { searchLog } from "./log-search.ts";
import type { CulpritTemplate, Rule, RulePack } from "./rule.ts";
import { inBounds, shown, type Template } from "./template.ts";

/** What came of asking one rule. */
export type Outcome =
  | { readonly kind: "fire"; readonly finding: Finding }
  /** `unmet` is the first pattern or condition that is not met. */
  | { readonly kind: "quiet"; readonly unmet: string }
  | { readonly kind: "skip"; readonly missing: readonly string[]; readonly reason: string };

/** Facts made ready to be asked about. */
export class Case {
  readonly facts: Facts;
  readonly meter = new Meter();
  readonly #view: FactRecord;
  readonly #found: Map<Rule, readonly PatternAnswer[]>;

  /** @param rules those whose log patterns are looked for at once; others can be asked about too */
  constructor(facts: Facts, rules: readonly Rule[] = []) {
    this.facts = facts;
    this.#view = viewFacts(facts, this.meter);
    this.#found = searchLog(facts.log?.records ?? [], rules);
  }

  /** The file that the log was read from; null when it comes out of the dump. */
  get logFile(): string | null {
    return this.facts.log?.file ?? null;
  }

  /** What came of a rule's log patterns. */
  answers(rule: Rule): readonly PatternAnswer[] {
    return this.#found.get(rule) ?? searchLog(this.facts.log?.records ?? [], [rule]).get(rule)!;
  }

  /** For the expressions of one rule, with its steps before it, and what its log patterns captured. */
  evaluation(rule: Rule, answers: readonly PatternAnswer[]): Evaluation {
    this.meter.beginRule();
    const captures = answers.flatMap((answer) => (answer.kind === "found" ? Object.entries(answer.captures) : []));
    const values = new Map<string, unknown>(captures.filter(([, text]) => text !== null));
    return { facts: this.#view, meter: this.meter, names: rule.names, values };
  }
}

/** Asks a rule about a case. */
export function ask(rule: Rule, about: Case): Outcome {
  const absent = rule.requires.filter((path) => !hasFact(about.facts, path));
  if (absent.length > 0) return { kind: "skip", missing: absent, reason: "facts it requires are missing" };
  const answers = about.answers(rule);
  const evaluation = about.evaluation(rule, answers);
  try {
    const unmet = firstUnmet(rule, about, answers, evaluation);
    if (unmet !== null) return { kind: "quiet", unmet };
    return { kind: "fire", finding: render(rule, about, answers, evaluation) };
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
 * The first pattern or condition that is not met, or null. One that is plainly not met settles the matter even where an earlier one
 * could not be answered; only then is what is missing worth telling.
 */
function firstUnmet(rule: Rule, about: Case, answers: readonly PatternAnswer[], evaluation: Evaluation): string | null {
  let unanswered: unknown = null;
  for (const [index, answer] of answers.entries()) {
    if (answer.kind === "found") continue;
    const reason = unansweredReason(answer, about.facts);
    if (reason === null) return `no line of the log matches: ${rule.log[index]!.match.text}`;
    unanswered ??= reason;
  }
  for (const condition of rule.when) {
    try {
      if (condition.evaluate(evaluation) !== true) return `this does not hold: ${condition.text}`;
    } catch (error) {
      unanswered ??= error;
    }
  }
  if (unanswered !== null) throw unanswered;
  return null;
}

/** Why a pattern that was not found could be there all the same, or null. */
export function unansweredReason(answer: PatternAnswer & { kind: "absent" | "stopped" }, { log }: Facts): Error | null {
  if (answer.kind === "stopped") return new Error(answer.reason);
  if (!log) return new MissingFact("log");
  return log.complete ? null : new MissingFact("log.records");
}

function render(rule: Rule, about: Case, answers: readonly PatternAnswer[], evaluation: Evaluation): Finding {
  const culprit = ({ kind, name }: CulpritTemplate) => ({ kind, name: name.render(evaluation) });
  return {
    rule: rule.id,
    pack: rule.pack,
    verdict: rule.verdict,
    severity: rule.severity,
    title: rule.title.render(evaluation),
    culprit: culprit(rule.culprit),
    bystander: rule.bystander === null ? null : unlessMissing(() => culprit(rule.bystander!)),
    evidence: [
      ...rule.evidence.flatMap(({ text, address }) => {
        const shown = unlessMissing(() => text.render(evaluation));
        if (shown === null) return [];
        return [{ text: shown, address: address === null ? null : unlessMissing(() => address.render(evaluation)) }];
      }),
      ...answers.flatMap((answer) => (answer.kind === "found" ? [lineEvidence(answer.line, about.logFile)] : [])),
    ],
    advice: rule.advice.render(evaluation),
    arm: rule.arm.map(({ check, target, how }) => armRequest(check, target, how, evaluation)),
  };
}

/** A matched line is evidence by itself. */
const lineEvidence = ({ text, line, seconds }: LogLine, file: string | null): Finding["evidence"][number] => ({
  text: inBounds(shown(text)),
  log: { file, line, seconds },
});

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
  const asked = packs.flatMap(({ rules }) => rules.filter(({ status }) => status !== "draft"));
  const about = new Case(facts, asked);
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
