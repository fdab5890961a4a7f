import type { CulpritTemplate, Rule, RulePack } from "./rule.ts";
import { isCapture } from "./rule.ts";
import { ruleNamed } from "./rule-named.ts";

/** A rule as it is written, before it is asked about a crash: the document of `rules explain RULE --json`. */
export interface RuleDescription
  extends Pick<Rule, "pack" | "status" | "severity" | "verdict" | "summary" | "requires" | "where"> {
  readonly rule: string;
  /** The patterns whose lines must stand in the log. */
  readonly log: readonly string[];
  readonly names: readonly { readonly name: string; readonly text: string }[];
  readonly when: readonly string[];
  readonly title: string;
  readonly culprit: CulpritText;
  readonly bystander: CulpritText | null;
  readonly evidence: readonly string[];
  readonly advice: string;
  readonly arm: readonly { readonly check: string; readonly target: string | null }[];
}

interface CulpritText {
  readonly kind: CulpritTemplate["kind"];
  readonly name: string;
}

/** Describes the rule with this id, or `pack/id`. @throws StopcodeError `usage/unknown-rule` */
export function describeRule(name: string, packs: readonly RulePack[]): RuleDescription {
  const rule = ruleNamed(name, packs);
  const { pack, status, severity, verdict, summary, requires, where } = rule;
  const culprit = ({ kind, name }: CulpritTemplate) => ({ kind, name: name.text });
  return {
    ...{ rule: rule.id, pack, status, severity, verdict, summary, requires, where },
    log: rule.log.map(({ match, unless }) => match.text + (unless === null ? "" : ` unless ${unless.text}`)),
    names: [...rule.names].flatMap(([name, { text }]) => (isCapture(name, rule) ? [] : [{ name, text }])),
    when: rule.when.map(({ text }) => text),
    title: rule.title.text,
    culprit: culprit(rule.culprit),
    bystander: rule.bystander === null ? null : culprit(rule.bystander),
    evidence: rule.evidence.map(({ text }) => text.text),
    advice: rule.advice.text,
    arm: rule.arm.map(({ check, target }) => ({ check, target: target === null ? null : target.text })),
  };
}
