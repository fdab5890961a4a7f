/** Flushes that are remembered, the newest. */
const REMEMBERED = 1024;

/** What a flush is to take: all address spaces, with or without global pages, those of a process-context identifier, or one. */
export type FlushScope = "all" | "pcid" | "space" | "non-global";

/** A flush as it was asked for, written down before anything of it is done. */
export interface FlushRecord {
  readonly serial: number;
  readonly scope: FlushScope;
  /** The identifier, or the address space's tag; 0 for all. */
  readonly of: number;
  /** The first page's address; `pages` is 0 where all of a space goes. */
  readonly high: number;
  readonly low: number;
  readonly pages: number;
  /** Processors whose TLB is to forget, as bits: 0 to 31, and 32 to 63. */
  readonly processors: readonly [number, number];
}

/** The flushes a partition was last asked for. Whoever finds what they should have taken knows one that was not carried out. */
export class FlushJournal {
  readonly #records: FlushRecord[] = [];
  #next = 0;

  record(flush: FlushRecord): void {
    this.#records[this.#next] = flush;
    this.#next = (this.#next + 1) % REMEMBERED;
  }

  /** Oldest first. */
  *[Symbol.iterator](): Generator<FlushRecord> {
    yield* this.#records.slice(this.#next);
    yield* this.#records.slice(0, this.#next);
  }
}

/** Bits of one processor. */
export function processorBits(processor: number): readonly [number, number] {
  return processor < 32 ? [1 << processor, 0] : [0, 1 << (processor - 32)];
}

export function bitsOf(processors: Iterable<number>): readonly [number, number] {
  let [low, high] = [0, 0];
  for (const processor of processors)
    if (processor < 32) low |= 1 << processor;
    else high |= 1 << (processor - 32);
  return [low, high];
}
