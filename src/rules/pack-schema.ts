import { z } from "zod";
import { checkNames } from "./checks.ts";
import { finding, verdict } from "./finding.ts";

/** What a rule may call a value: a name of `let`, or a capture. */
export const NAME = /^[a-z][A-Za-z0-9]{0,31}$/;

/** Names of packs and rules: lower-case words joined by hyphens, so that they can stand in a command line and a file name. */
const id = z
  .string()
  .regex(
    /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
    "an id is lower-case words and digits joined by hyphens, such as `driver-bad-address`",
  )
  .max(64);

const stopCode = z
  .string()
  .regex(/^0x[1-9a-f][0-9a-f]{0,7}$/, 'a stop code is written like "0x3f": lower case, no leading zeros, quoted');

const text = z.string().min(1).max(2000);
const expression = text.describe("an expression in CEL over the facts");
const pattern = z.string().min(1).max(500);
const template = text.describe("a text with {{ expressions }} in it");

const culpritSource = z.strictObject({
  kind: finding.shape.culprit.shape.kind,
  name: template,
});

const armSource = z.strictObject({
  check: z.enum(checkNames as [string, ...string[]]),
  target: template.optional().describe("the driver to check; the whole system without it"),
  how: template.optional().describe("what an administrator does to switch it on; the check's own words without it"),
});

/** A line that must stand in the kernel's log. */
const logSource = z.strictObject({
  match: pattern.describe(
    "what a line must match, anywhere in it: RE2 syntax; named captures are names for the texts below",
  ),
  unless: pattern.optional().describe("a line that matches this too does not count"),
});

/** A stage of the staged procedure: the next start after `stopCode` has `check` on, and ends in the stage that comes `after` it. */
const procedureSource = z.strictObject({
  stopCode,
  after: stopCode.optional().describe("the stop code whose check made this one possible"),
  check: z.enum(checkNames as [string, ...string[]]).optional(),
});

const ruleFields = z.strictObject({
  id,
  status: z.enum(["draft", "test", "stable"]),
  severity: finding.shape.severity,
  summary: text.describe("what the rule recognises, for lists of rules"),
  requires: z
    .array(z.string())
    .max(32)
    .default([])
    .describe("facts that must be there; without them the rule is skipped"),
  log: z.array(logSource).max(8).default([]).describe("lines of the log, each of which must be there"),
  let: z
    .record(z.string().regex(NAME, "a name is a word such as `driver`"), expression)
    .default({})
    .describe("names for expressions, for use below and in each other from top to bottom"),
  when: z
    .array(expression)
    .max(16)
    .default([])
    .describe("conditions, all of which must hold; may be left out where there is a `log`"),
  verdict,
  title: template,
  culprit: culpritSource,
  bystander: culpritSource.optional().describe("who tripped over it; left out when its facts are missing"),
  evidence: z
    .array(z.strictObject({ text: template, address: template.optional() }))
    .max(16)
    .default([])
    .describe("left out, entry by entry, where its facts are missing"),
  advice: template,
  arm: z.array(armSource).max(8).default([]),
  procedure: procedureSource.optional(),
});

/** A rule without a condition would fire for everybody. */
const ruleSource = ruleFields.refine(({ log, when }) => log.length + when.length > 0, {
  path: ["when"],
  error: "this should not be empty",
});

/** A pack file. */
export const packSource = z.strictObject({
  pack: z.strictObject({
    id,
    version: z.string().regex(/^\d+\.\d+\.\d+$/, 'a version is three numbers, such as "1.0.0"'),
    title: text,
    owner: text,
    references: z.array(z.string().max(500)).max(64).default([]),
  }),
  rules: z.array(ruleSource).min(1).max(500),
});

export type PackSource = z.infer<typeof packSource>;
export type RuleSource = PackSource["rules"][number];

/** The pack format as JSON Schema, for editors; `rules/pack.schema.json` is this, and a test keeps it so. */
export function packJsonSchema(): object {
  return {
    $id: "stopcode/pack/1",
    title: "A rule pack of stopcode",
    ...z.toJSONSchema(packSource, { io: "input" }),
  };
}
