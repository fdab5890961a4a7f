import type { EngineKind } from "../hypervisor/index.ts";
import type { AccessTimes } from "./access-times.ts";
import type { FillTask, FillTimes } from "./fill-times.ts";
import type { Goal } from "./goals.ts";
import type { LargePageCounts, LargePageTimes } from "./large-regions.ts";
import type { StreamCounts } from "./stream-counts.ts";
import type { StreamTimes } from "./stream-times.ts";
import type { WorkingSetCounts } from "./working-set.ts";

/** The parts of the benchmark, each of which can be run alone. */
export const PAGING_PARTS = ["access", "fills", "streams", "large"] as const;
export type PagingPart = (typeof PAGING_PARTS)[number];

/** An engine on a set. Times are nanoseconds for 8 bytes; ratios of reads are to the raw read beside them. */
export interface AccessFigure extends AccessTimes {
  readonly engine: EngineKind;
  readonly bytes: number;
  readonly pages: "4 KiB" | "2 MiB";
  readonly readRatio: number;
  readonly readInRunsRatio: number;
  /** Of raw accesses, and of the engine's, one by one and in runs. */
  readonly rawWriteToRead: number;
  readonly writeToRead: number;
  readonly writeToReadInRuns: number;
}

/** Filling shadow page tables; the ratio is to a raw read of the page. */
export interface FillFigure extends FillTask, FillTimes {
  readonly ratio: number;
}

/** A stream of addresses: what is counted, and what each engine takes for an access. */
export interface StreamFigure extends StreamCounts {
  readonly stream: string;
  /** The one that is always measured; the others come from traces. */
  readonly isSequential: boolean;
  readonly engines: readonly StreamEngineFigure[];
}

export interface StreamEngineFigure extends StreamTimes {
  readonly engine: EngineKind;
  readonly oneByOneRatio: number;
  readonly inRunsRatio: number;
}

/** A string of pages under one to four address spaces, switched in either way. */
export interface WorkingSetFigure {
  readonly string: string;
  readonly runs: readonly WorkingSetCounts[];
}

export interface LargePageFigure extends LargePageCounts, LargePageTimes {}

/** The document of `bench paging --json`. What was not asked for is empty. */
export interface PagingBench {
  readonly node: string;
  /** The machine's processor, as it names itself. */
  readonly processor: string;
  /** The whole run. */
  readonly seconds: number;
  readonly access: readonly AccessFigure[];
  readonly fills: readonly FillFigure[];
  readonly streams: readonly StreamFigure[];
  readonly workingSets: readonly WorkingSetFigure[];
  readonly large: readonly LargePageFigure[];
  /** Every figure that has a goal, beside it. */
  readonly goals: readonly Goal[];
}
