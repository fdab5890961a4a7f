import type { Collected, CollectOptions, Progress } from "../agent/index.ts";
import { analyze, type Facts } from "../analysis/index.ts";
import type { Manifest } from "../archive/index.ts";
import type { CrashHistory, HistoryRow } from "../history/index.ts";
import { rowOf } from "../history/index.ts";
import type { ArmedCheck } from "../host/index.ts";
import { type Diagnosis, diagnose, type RulePack } from "../rules/index.ts";

/** Everything one crash left behind. */
export interface RecordedCrash {
  readonly manifest: Manifest;
  readonly folder: string;
  /** Null for a partition that left no pages. */
  readonly facts: Facts | null;
  readonly diagnosis: Diagnosis;
  readonly row: HistoryRow;
}

export interface CrashOptions {
  readonly home: string;
  readonly boot: number;
  readonly armed: readonly ArmedCheck[];
  readonly packs: readonly RulePack[];
  readonly history: CrashHistory;
  readonly onProgress: (progress: Progress) => void;
}

const NOTHING_TO_SAY: Diagnosis = { findings: [], skipped: [], arm: [] };

/** Takes the dump: of a partition, or of the whole machine. */
export type Collect = (options: CollectOptions) => Promise<Collected>;

/**
 * The way of one crash: collect, analyze, diagnose, close the folder, acknowledge.
 * When it returns, the crash is on the disk and in the journal.
 * @throws StopcodeError `io/…` when the disk is full or the folder cannot be written: the folder stays, recognisably incomplete
 */
export async function recordCrash(collect: Collect, options: CrashOptions): Promise<RecordedCrash> {
  const { home, boot, armed, onProgress } = options;
  const collected = await collect({ home, boot, armed, onProgress });
  const facts = collected.dumpPath === null ? null : await analyze(collected.dumpPath);
  const diagnosis = facts === null ? NOTHING_TO_SAY : diagnose(facts, options.packs);
  if (facts !== null) collected.addFile("facts.json", jsonFile(facts));
  collected.addFile("findings.json", jsonFile(diagnosis));
  const manifest = collected.finish();
  const row = rowOf(manifest, facts, diagnosis.findings);
  options.history.record(row);
  return { manifest, folder: collected.folder, facts, diagnosis, row };
}

const jsonFile = (document: unknown): string => `${JSON.stringify(document, null, 1)}\n`;
