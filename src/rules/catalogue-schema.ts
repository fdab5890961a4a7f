import { z } from "zod";
import { checkNames } from "./checks.ts";

const phrase = z
  .string()
  .min(1)
  .max(160)
  .regex(/[^.\s]$/, "a phrase has no full stop at its end");

const unsigned32 = z.int().min(0).max(0xffff_ffff);

/** A value of a parameter that decides what the others mean. */
const decisive = z.int().min(0).describe("in hex, such as 0x3");

const caseSource = z.strictObject({
  when: z
    .union([decisive, z.array(decisive).min(2)])
    .transform((values) => [values].flat())
    .describe("the value, or the values, of the parameter that decides"),
  by: z.int().min(1).max(4).default(1).describe("which parameter decides"),
  says: phrase.describe("what the value means"),
  parameters: z.array(phrase).length(3).describe("what the three others mean, in order"),
});

const entrySource = z.strictObject({
  code: unsigned32.describe("in hex, such as 0x9F"),
  name: z.string().regex(/^[A-Z][A-Z0-9_]*$/, "a name is words joined by underscores, such as `PFN_LIST_CORRUPT`"),
  family: z.enum([
    ...([
      "pool",
      "memory",
      "pte",
      "paging",
      "driver",
      "irql",
      "exception",
      "power",
      "plug-and-play",
      "storage",
    ] as const),
    ...([
      "file-system",
      "registry",
      "process",
      "security",
      "synchronization",
      "watchdog",
      "hardware",
      "firmware",
    ] as const),
    ...(["boot", "display", "network", "usb", "hypervisor", "secure-kernel", "session", "cache", "verifier"] as const),
    ...(["live-dump", "manual", "other"] as const),
  ]),
  summary: phrase.describe("what has happened, in lower case"),
  parameters: z.array(phrase).length(4).describe("what the four parameters mean where no case says it"),
  cases: z.array(caseSource).default([]).describe("what the parameters mean where one of them decides"),
  causes: z.array(phrase).min(1).max(4).describe("most likely first"),
  advice: z.array(phrase).min(1).max(4).describe("what an administrator does, step by step"),
  checks: z
    .array(z.enum(checkNames as [string, ...string[]]))
    .default([])
    .describe("what to switch on for the next start"),
});

/** A file of the catalogue of stop codes. */
export const catalogueSource = z.strictObject({ codes: z.array(entrySource).min(1) });

/** A stop code as the catalogue describes it. */
export type StopCodeEntry = z.infer<typeof entrySource>;

/** The catalogue's format as JSON Schema, for editors; `rules/windows-stop-codes/catalogue.schema.json` is this, and a test keeps it so. */
export function catalogueJsonSchema(): object {
  return {
    $id: "stopcode/catalogue/1",
    title: "Stop codes of Windows, as stopcode explains them",
    ...z.toJSONSchema(catalogueSource, { io: "input" }),
  };
}
