import type { PageRun } from "../binary/index.ts";

/** Pages to be written: which, and how to get them. */
export interface PageSource {
  /** Ascending, disjoint. */
  readonly runs: readonly PageRun[];
  /** The bytes of `pageCount` consecutive page frames; may be a view into live memory, good until the next call. */
  read(firstPage: number, pageCount: number): Uint8Array;
}

/**
 * A dump about to be written. Its size is known before its first byte, so progress can be told and a full disk foreseen.
 * `chunks()` yields the file front to back; a chunk is good until the next one is asked for.
 */
export interface DumpImage {
  readonly bytes: number;
  readonly pages: number;
  chunks(): Generator<Uint8Array, void, undefined>;
}
