import { z } from "zod";

/**
 * `crash.json`, the manifest of one crash folder. It is written last, after everything else was synced to disk:
 * a folder without it is incomplete, whatever else is in it.
 */
export const manifest = z.strictObject({
  schema: z.literal("stopcode/crash/1"),
  id: z.string(),
  /** ISO 8601, UTC: when the partition stopped, by the host's clock. */
  at: z.string(),
  host: z.string(),
  partition: z.string(),
  boot: z.number().int().nullable(),
  stopCode: z.strictObject({ code: z.string(), parameters: z.array(z.string()) }).nullable(),
  /** Null for a partition that left only its descriptor. */
  dump: z
    .strictObject({
      file: z.string(),
      format: z.string(),
      pages: z.number().int(),
      memoryBytes: z.number().int(),
    })
    .nullable(),
  sealed: z
    .strictObject({
      file: z.string(),
      pages: z.number().int(),
      recipients: z.array(z.string()),
      /** Sealed guest frames, so that a reader can tell sealed from absent. */
      runs: z.array(z.strictObject({ firstPage: z.number().int(), pageCount: z.number().int() })),
    })
    .nullable(),
  /** Partitions that were asked for and left out, with the reason. */
  skipped: z.array(z.strictObject({ partition: z.string(), reason: z.string() })),
  armed: z.array(z.strictObject({ check: z.string(), target: z.string().nullable() })),
  /** Every other file of the folder: its size and sha256, so that `dump verify` can tell a flipped bit. */
  files: z.array(z.strictObject({ name: z.string(), bytes: z.number().int(), sha256: z.string() })),
});

export type Manifest = z.infer<typeof manifest>;
