/** Flushes that are remembered, the newest. */
const REMEMBERED = 1024;
/** Words of one: serial number, what of, address, pages, processors. */
const WORDS = 8;

/** What a flush is to take: all address spaces, with or without global pages, those of a process-context identifier, or one. */
export const FLUSH_ALL = 0;
export const FLUSH_PCID = 1;
export const FLUSH_SPACE = 2;
export const FLUSH_NON_GLOBAL = 3;
export type FlushScope = typeof FLUSH_ALL | typeof FLUSH_PCID | typeof FLUSH_SPACE | typeof FLUSH_NON_GLOBAL;

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
  readonly processorsLow: number;
  readonly processorsHigh: number;
}

/** Where a flush takes its serial number from. */
export interface SerialNumbers {
  tick(): number;
}

/** The flushes a partition was last asked for. Whoever finds what they should have taken knows one that was not carried out. */
export class FlushJournal {
  readonly #words = new Float64Array(REMEMBERED * WORDS);
  readonly #serials: SerialNumbers;
  #recorded = 0;

  constructor(serials: SerialNumbers) {
    this.#serials = serials;
  }

  /**
   * Writes down what is about to be flushed: nothing that is older than this call may be used after the flush. The parameters
   * are the fields of a record; a flush is as cheap as it is often, so they make no object.
   */
  record(
    scope: FlushScope,
    of: number,
    high: number,
    low: number,
    pages: number,
    processorsLow: number,
    processorsHigh: number,
  ): void {
    const words = this.#words;
    const at = (this.#recorded++ % REMEMBERED) * WORDS;
    words[at] = this.#serials.tick();
    words[at + 1] = scope;
    words[at + 2] = of;
    words[at + 3] = high;
    words[at + 4] = low;
    words[at + 5] = pages;
    words[at + 6] = processorsLow;
    words[at + 7] = processorsHigh;
  }

  /** Oldest first. */
  *[Symbol.iterator](): Generator<FlushRecord> {
    for (let number = Math.max(0, this.#recorded - REMEMBERED); number < this.#recorded; number++) {
      const at = (number % REMEMBERED) * WORDS;
      const [serial, scope, of, high, low, pages, processorsLow, processorsHigh] = this.#words.subarray(at, at + WORDS);
      yield {
        serial: serial!,
        scope: scope as FlushScope,
        of: of!,
        high: high!,
        low: low!,
        pages: pages!,
        processorsLow: processorsLow!,
        processorsHigh: processorsHigh!,
      };
    }
  }
}

/** The bit of a processor among the first 32, and among those after. */
export function lowBit(processor: number): number {
  return processor < 32 ? 1 << processor : 0;
}

export function highBit(processor: number): number {
  return processor < 32 ? 0 : 1 << (processor - 32);
}
