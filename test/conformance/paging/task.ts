import type { ProcessorKind } from "./conditions.ts";
import type { Levels } from "./subject.ts";
import type { Surroundings } from "./surroundings.ts";

/** What a worker is to do: take blocks of combinations until none is left. */
export interface ConditionsTask {
  readonly engine: string;
  readonly levels: Levels;
  readonly kind: ProcessorKind;
  readonly around: Surroundings;
  /** Number of the first combination; from there on every `around.stride`th is tried. */
  readonly first: number;
  /** Shared by all workers; `NEXT_BLOCK`, `DONE` and `FAILED` are the places in it. */
  readonly progress: Int32Array;
}

export const NEXT_BLOCK = 0;
export const DONE = 1;
export const FAILED = 2;
export const PROGRESS_BYTES = 12;

/** Combinations that a task tries. @param count of all that are legal */
export function casesOf({ around, first }: Pick<ConditionsTask, "around" | "first">, count: number): number {
  return Math.ceil((count - first) / around.stride);
}

export interface ConditionsReport {
  readonly failures: number;
  /** Cases in which a fault set the directory's accessed flag, as it may. */
  readonly accessedByFault: number;
  /** The first failures in words. */
  readonly told: readonly string[];
}
