import { z } from "zod";

/**
 * How sure a finding is.
 * `identified`: the culprit was caught by a check that cannot accuse another. `probable`: the evidence points at it and at nothing
 * else. `suspect`: it fits, others would too. `excluded`: shown not to be the cause.
 */
export const verdict = z.enum(["identified", "probable", "suspect", "excluded"]);

/** Place in the order above: 0 is surest. */
export const sureness = (of: z.infer<typeof verdict>): number => verdict.options.indexOf(of);

export const culprit = z.strictObject({
  kind: z.enum(["driver", "configuration", "hardware", "hypervisor", "storage", "process", "unknown"]),
  name: z.string(),
});

/** A check to switch on for the next start. `how` is the command or setting an administrator would use on a real machine. */
export const armRequest = z.strictObject({
  check: z.string(),
  target: z.string().nullable(),
  how: z.string().nullable(),
});

/** Where a line that is evidence stands in the log, counted from 1, and when the kernel printed it. */
const logPlace = z.strictObject({
  file: z.string().nullable(),
  line: z.number(),
  seconds: z.number().nullable(),
});

export const finding = z.strictObject({
  rule: z.string(),
  pack: z.string(),
  verdict,
  severity: z.enum(["critical", "high", "medium", "low", "info"]),
  title: z.string(),
  culprit,
  bystander: culprit.nullable().optional(),
  /** Each points to an address, a log line or a count. */
  evidence: z.array(
    z.strictObject({
      text: z.string(),
      address: z.string().nullable().optional(),
      log: logPlace.nullable().optional(),
    }),
  ),
  advice: z.string(),
  arm: z.array(armRequest),
});

/** A rule that could not be asked: the facts it needs are not there, or (nothing missing) it failed or was stopped. */
export const skippedRule = z.strictObject({
  rule: z.string(),
  missing: z.array(z.string()),
  reason: z.string().optional(),
});

export const diagnosis = z.strictObject({
  findings: z.array(finding),
  skipped: z.array(skippedRule),
  arm: z.array(armRequest),
});

export type Finding = z.infer<typeof finding>;
export type ArmRequest = z.infer<typeof armRequest>;
export type SkippedRule = z.infer<typeof skippedRule>;
export type Diagnosis = z.infer<typeof diagnosis>;
