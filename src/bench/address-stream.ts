import type { GuestFrames } from "../hypervisor/index.ts";
import { PAGE, PagedGuest, permutation, READ_BEFORE, tablesFor, UNTOUCHED, WRITTEN_BEFORE } from "./paged-guest.ts";

/** Accesses of 8 bytes to linear addresses below 4 GiB, in order. */
export interface AddressStream {
  readonly name: string;
  /** Multiples of 8, as signed numbers. */
  readonly lows: Int32Array;
  /** 1 for a store. */
  readonly stores: Uint8Array;
}

/** `touched`: as a first run of the stream leaves the flags; `untouched`: as an operating system makes entries. */
export type FlagsBefore = "touched" | "untouched";

/** The memory of a guest that a stream runs in. */
export interface StreamGuest {
  readonly memory: GuestFrames;
  readonly root: number;
  /** Distinct pages of the stream. */
  readonly pages: number;
  /** Index of the host word that each access means. */
  readonly wordIndexes: Int32Array;
}

/** Pages below 4 GiB. */
const PAGES = 2 ** 20;
const SEQUENTIAL_BYTES = 16 * 2 ** 20;
const SEQUENTIAL_STEP = 64;
const SEQUENTIAL_START = 0x4000_0000;

/** 16 MiB from the first to the last, a cache line at a time; every eighth access is a store. */
export function sequentialStream(): AddressStream {
  const count = SEQUENTIAL_BYTES / SEQUENTIAL_STEP;
  return {
    name: "sequential",
    lows: Int32Array.from({ length: count }, (_, index) => SEQUENTIAL_START + index * SEQUENTIAL_STEP),
    stores: Uint8Array.from({ length: count }, (_, index) => (index % 8 === 7 ? 1 : 0)),
  };
}

/** The stream's addresses cut to the 8 bytes they lie in, so that no access crosses pages. */
export function aligned(stream: AddressStream): AddressStream {
  return { ...stream, lows: stream.lows.map((low) => low & -8) };
}

/** Maps every page of a stream to a frame at random. */
export function streamGuest({ lows, stores }: AddressStream, before: FlagsBefore): StreamGuest {
  const uses = new Uint8Array(PAGES);
  const used: number[] = [];
  for (let index = 0; index < lows.length; index++) {
    const page = lows[index]! >>> 12;
    if (uses[page] === 0) used.push(page);
    uses[page]! |= 1 + stores[index]!;
  }
  const isTouched = before === "touched";
  const pageTables = new Set(used.map((page) => page >>> 9)).size;
  const guest = new PagedGuest(tablesFor(1, pageTables), used.length, isTouched ? READ_BEFORE : UNTOUCHED);
  const root = guest.newSpace();
  const order = permutation(used.length);
  const frames = new Uint32Array(PAGES);
  used.forEach((page, index) => {
    frames[page] = guest.firstFrame + order[index]!;
    const leaf = uses[page] === 1 ? READ_BEFORE : WRITTEN_BEFORE;
    guest.mapPage(root, page * PAGE, frames[page]!, isTouched ? leaf : UNTOUCHED);
  });
  const wordIndexes = lows.map((low) => (frames[low >>> 12]! * PAGE + (low & (PAGE - 1))) >>> 2);
  return { memory: guest, root, pages: used.length, wordIndexes };
}
