import { type RecordedCase, recordCase } from "../rules/index.ts";
import { factsOf, type PackChoice, ruleNamed } from "./questions.ts";

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
  const asked = ruleNamed(rule, packs);
  const { name, facts } = await factsOf(home, target);
  return recordCase(facts, asked, `as in ${name}`, file);
}
