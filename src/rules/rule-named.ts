import { StopcodeError } from "../binary/index.ts";
import { didYouMean } from "../document/index.ts";
import type { Rule, RulePack } from "./rule.ts";

/** How many rules are offered for one that is not there. */
const OFFERED = 4;

/**
 * The rule of some packs with this id, or this `pack/id`.
 * @throws StopcodeError `usage/unknown-rule` with those that may have been meant
 */
export function ruleNamed(name: string, packs: readonly RulePack[]): Rule {
  const rules = packs.flatMap((pack) => pack.rules);
  const rule = rules.find(({ id, pack }) => id === name || `${pack}/${id}` === name);
  if (rule) return rule;
  throw new StopcodeError("usage/unknown-rule", `no pack has a rule ${name}`, { hint: similar(name, rules) });
}

/** Whether a name can only be a rule's: names of stop codes have no hyphens. */
export const isRuleName = (name: string): boolean => /[a-z]-[a-z0-9]|\//.test(name);

function similar(name: string, rules: readonly Rule[]): string {
  const id = name.slice(name.lastIndexOf("/") + 1);
  const twin = rules.find((rule) => rule.id === id);
  if (twin) return `there is ${twin.pack}/${id}`;
  const meant = didYouMean(
    id,
    rules.map((rule) => rule.id),
  );
  if (meant !== undefined) return meant;
  const words = id.split("-").filter((word) => word.length > 2);
  const common = (rule: Rule) => words.filter((word) => rule.id.split("-").includes(word)).length;
  const near = rules.filter((rule) => common(rule) > 0).sort((left, right) => common(right) - common(left));
  if (near.length === 0) return "`stopcode rules list` shows the rules there are; --rules names packs of your own";
  return `there is ${near
    .slice(0, OFFERED)
    .map((rule) => rule.id)
    .join(", ")}`;
}
