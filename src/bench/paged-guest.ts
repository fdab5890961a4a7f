import { type GuestFrames, MAP_ALL, MAP_ENTRIES, mapEntry } from "../hypervisor/index.ts";
import {
  CR0_PE,
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PGE,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  ENTRY_ACCESSED,
  ENTRY_DIRTY,
  ENTRY_LARGE,
  ENTRY_PRESENT,
  ENTRY_WRITABLE,
  type PagingState,
} from "../paging/index.ts";

export const PAGE = 4096;
const ENTRIES = 512;

/** Flags of a leaf that a processor has read from, and of one it has written to. */
export const READ_BEFORE = ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_ACCESSED;
export const WRITTEN_BEFORE = READ_BEFORE | ENTRY_DIRTY;
/** Flags of an entry that no processor has used. */
export const UNTOUCHED = ENTRY_PRESENT | ENTRY_WRITABLE;

/** A 64-bit processor with paging on and the given topmost table. */
export function longMode(root: number): PagingState {
  return {
    cr0: CR0_PE | CR0_PG | CR0_WP,
    cr3: root,
    cr4: CR4_PAE | CR4_PGE,
    efer: EFER_LME | EFER_LMA | EFER_NXE,
    pkru: 0,
  };
}

/** Tables that so many page tables, in so many address spaces of 4 GiB, need with those above them. */
export function tablesFor(spaces: number, pageTables: number): number {
  return spaces * (2 + 4 + pageTables);
}

/**
 * A guest's memory as its operating system would have laid it out: page tables first, then pages. Host frames are the guest's.
 * Address spaces have their pages below 4 GiB.
 */
export class PagedGuest implements GuestFrames {
  readonly words: Int32Array;
  readonly map = new Int32Array(MAP_ENTRIES);
  /** Guest frame of the first page that is no table; begins a region of 2 MiB. */
  readonly firstFrame: number;
  readonly #upper: number;
  #nextTable = 1;

  /**
   * @param tables as `tablesFor` says
   * @param upper flags of entries that lead to tables
   */
  constructor(tables: number, pages: number, upper: number) {
    this.firstFrame = Math.ceil((tables + 1) / ENTRIES) * ENTRIES;
    const frames = this.firstFrame + Math.ceil(pages / ENTRIES) * ENTRIES;
    this.words = new Int32Array(frames * (PAGE / 4));
    for (let frame = 0; frame < frames; frame++) this.map[frame] = mapEntry(frame, MAP_ALL);
    this.#upper = upper;
  }

  /** An address space with nothing in it. @returns guest physical address of its topmost table */
  newSpace(): number {
    return this.#nextTable++ * PAGE;
  }

  /**
   * Maps the page at a linear address, in tables that are made as they are needed.
   * @param large it is one of 2 MiB
   * @returns index of the word that holds the leaf's flags
   */
  mapPage(root: number, low: number, frame: number, flags: number, large = false): number {
    const directory = this.#tableBelow(this.#tableBelow(root, 0), low >>> 30);
    const index = (low >>> 21) & (ENTRIES - 1);
    const table = large ? directory : this.#tableBelow(directory, index);
    const at = (table + (large ? index : (low >>> 12) & (ENTRIES - 1)) * 8) >>> 2;
    this.words[at] = (frame * PAGE) | flags | (large ? ENTRY_LARGE : 0);
    return at;
  }

  #tableBelow(table: number, index: number): number {
    const at = (table + index * 8) >>> 2;
    if (this.words[at] === 0) this.words[at] = (this.#nextTable++ * PAGE) | this.#upper;
    return this.words[at]! & -PAGE;
  }
}

/** A small generator: the benchmark reads the same order every time. */
export function generator(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** The numbers below `count` in random order, the same ones every time. */
export function permutation(count: number): Uint32Array {
  const random = generator(11);
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = random() % (last + 1);
    const kept = order[last] ?? 0;
    order[last] = order[other] ?? 0;
    order[other] = kept;
  }
  return order;
}
