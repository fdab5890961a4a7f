import { type RecordedCase, recordCase, ruleNamed } from "../rules/index.ts";
import { factsOf, type PackChoice, rulesOf } from "./questions.ts";

/**
 * A test case of what one rule says to a dump or a recorded crash.
 *
 * @param file tests to add it to; null: none
 * @throws StopcodeError `usage/unknown-rule`
 */
export async function recordTarget(
  home: string,
  target: string,
  packs: PackChoice,
  { rule, file }: { readonly rule: string; readonly file: string | null },
): Promise<RecordedCase> {
  const asked = ruleNamed(rule, rulesOf(packs));
  const { name, facts } = await factsOf(home, target);
  return recordCase(facts, asked, `as in ${name}`, file);
}
