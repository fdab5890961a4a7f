import { z } from "zod";
import type { Facts } from "../analysis/index.ts";
import { type Manifest, sealedPages } from "../archive/index.ts";
import type { Finding } from "../rules/index.ts";

/** One crash in the history. Everything in it can be derived again from the crash folder. */
export const historyRow = z.strictObject({
  id: z.string(),
  /** ISO 8601, UTC. */
  at: z.string(),
  host: z.string(),
  partition: z.string(),
  boot: z.number().int().nullable(),
  os: z.string().nullable(),
  /** `0x3f`, or null where the system has no stop codes. */
  stopCode: z.string().nullable(),
  title: z.string().nullable(),
  bucket: z.string().nullable(),
  culprit: z.string().nullable(),
  verdict: z.string().nullable(),
  pages: z.number().int().nullable(),
  sealedPages: z.number().int().nullable(),
});

export type HistoryRow = z.infer<typeof historyRow>;

const osText = (facts: Facts | null): string | null => {
  const os = facts?.os;
  if (!os) return null;
  return [os.family, os.release ?? os.build].filter(Boolean).join(" ");
};

/** The row of a crash folder. `findings` are best first, as a diagnosis hands them out. */
export function rowOf(manifest: Manifest, facts: Facts | null, findings: readonly Finding[]): HistoryRow {
  const best = findings.find((finding) => finding.verdict !== "excluded");
  return {
    id: manifest.id,
    at: manifest.at,
    host: manifest.host,
    partition: manifest.partition,
    boot: manifest.boot,
    os: osText(facts),
    stopCode: manifest.stopCode?.code ?? null,
    title: facts?.crash?.title ?? null,
    bucket: facts?.bucket?.id ?? null,
    culprit: best?.culprit.name ?? null,
    verdict: best?.verdict ?? null,
    pages: manifest.dump?.pages ?? null,
    sealedPages: manifest.sealed.length === 0 ? null : sealedPages(manifest),
  };
}
