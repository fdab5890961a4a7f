import type { GuestFrames } from "../hypervisor/index.ts";
import { BLOCK } from "./measure.ts";
import { generator, PAGE, PagedGuest, permutation, tablesFor, WRITTEN_BEFORE } from "./paged-guest.ts";

/** Linear address of a set's first page, lower half; the upper half is 0. */
export const SET_START = 0x4000_0000;

/** A guest's memory with a set of pages mapped in it, and the order in which 8-byte words of it are read. */
export interface PagedSet {
  readonly memory: GuestFrames;
  /** Guest physical address of the topmost table. */
  readonly root: number;
  /** Lower halves of the linear addresses, in order. */
  readonly lows: Int32Array;
  /** Index of the host word that each of them means, found by construction and not by a walk. */
  readonly wordIndexes: Int32Array;
  readonly accesses: number;
}

/** Lower halves in random order over `bytes` bytes: at least a quarter of a million, so that the largest sets are seen whole. */
export function randomOrder(bytes: number, random = generator(7)): Int32Array {
  const accesses = Math.max(1 << 18, Math.min(1 << 22, bytes >>> 3));
  return Int32Array.from({ length: accesses }, () => SET_START + (random() % (bytes >>> 3)) * 8);
}

/**
 * Maps `bytes` bytes (whole pages) to frames in random order (4 KiB pages), or to consecutive 2 MiB pages.
 * @param lows the order, as `randomOrder` makes it; cut to a multiple of BLOCK
 */
export function pagedSet(bytes: number, lows: Int32Array, large = false): PagedSet {
  const pages = Math.ceil(bytes / PAGE);
  const guest = new PagedGuest(tablesFor(1, Math.ceil(pages / 512)), pages, WRITTEN_BEFORE);
  const { words, firstFrame } = guest;
  const frames = large ? Uint32Array.from({ length: pages }, (_, page) => page) : permutation(pages);
  const root = guest.newSpace();
  for (let page = 0; page < pages; page += large ? 512 : 1)
    guest.mapPage(root, SET_START + page * PAGE, firstFrame + (frames[page] ?? 0), WRITTEN_BEFORE, large);

  // Memory that was never written is one page of zeros to the operating system, and reading it tells nothing.
  words.fill(1, firstFrame * (PAGE / 4));
  const accesses = Math.floor(lows.length / BLOCK) * BLOCK;
  const wordIndexes = lows.map((low) => {
    const offset = low - SET_START;
    return ((firstFrame + (frames[offset >>> 12] ?? 0)) * PAGE + (offset & (PAGE - 1))) >>> 2;
  });
  return { memory: guest, root, lows, wordIndexes, accesses };
}
