import type { ProcessorKind } from "./conditions.ts";
import type { Levels } from "./subject.ts";

/** What a worker is to do: take blocks of combinations until none is left. */
export interface ConditionsTask {
  readonly engine: string;
  readonly levels: Levels;
  readonly kind: ProcessorKind;
  /** Shared by all workers; `NEXT_BLOCK`, `DONE` and `FAILED` are the places in it. */
  readonly progress: Int32Array;
}

export const NEXT_BLOCK = 0;
export const DONE = 1;
export const FAILED = 2;
export const PROGRESS_BYTES = 12;

export interface ConditionsReport {
  readonly failures: number;
  /** Cases in which a fault set the directory's accessed flag, as it may. */
  readonly accessedByFault: number;
  /** The first failures in words. */
  readonly told: readonly string[];
}
