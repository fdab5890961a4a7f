import { type GuestFrames, MAP_ALL, mapEntry } from "../hypervisor/index.ts";
import { BLOCK } from "./measure.ts";

const PAGE = 4096;
const PRESENT_WRITABLE_TOUCHED = 0x63; // P, W, A, D
const LARGE = 0x80;

/** A partition's map has an entry for every guest frame below 4 GiB. */
const GUEST_FRAMES = 2 ** 20;

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

/** Lower halves in random order over `bytes` bytes: at least a million, so that the largest sets are seen whole. */
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
  const tables = Math.ceil(pages / 512) + 8;
  const firstFrame = Math.ceil((tables + 8) / 512) * 512;
  const words = new Int32Array((firstFrame + Math.ceil(pages / 512) * 512) * (PAGE / 4));
  const map = new Int32Array(GUEST_FRAMES);
  for (let frame = 0; frame < words.length / (PAGE / 4); frame++) map[frame] = mapEntry(frame, MAP_ALL);
  const frames = large ? Uint32Array.from({ length: pages }, (_, page) => page) : permutation(pages);

  let nextTable = 1;
  const root = nextTable++ * PAGE;
  const entry = (table: number, index: number, value: number) => {
    words[(table + index * 8) >>> 2] = value;
  };
  const directoryPointers = nextTable++ * PAGE;
  entry(root, 0, directoryPointers | PRESENT_WRITABLE_TOUCHED);
  let directory = 0;
  let table = 0;
  for (let page = 0; page < pages; page++) {
    const address = SET_START + page * PAGE;
    if (page === 0 || address % 2 ** 30 === 0) {
      directory = nextTable++ * PAGE;
      entry(directoryPointers, Math.floor(address / 2 ** 30), directory | PRESENT_WRITABLE_TOUCHED);
    }
    const frame = (firstFrame + (frames[page] ?? 0)) * PAGE;
    if (page % 512 === 0) {
      if (large) entry(directory, (address >>> 21) & 511, frame | PRESENT_WRITABLE_TOUCHED | LARGE);
      else {
        table = nextTable++ * PAGE;
        entry(directory, (address >>> 21) & 511, table | PRESENT_WRITABLE_TOUCHED);
      }
    }
    if (!large) entry(table, page & 511, frame | PRESENT_WRITABLE_TOUCHED);
  }

  // Memory that was never written is one page of zeros to the operating system, and reading it tells nothing.
  words.fill(1, firstFrame * (PAGE / 4));
  const accesses = Math.floor(lows.length / BLOCK) * BLOCK;
  const wordIndexes = lows.map((low) => {
    const offset = low - SET_START;
    return ((firstFrame + (frames[offset >>> 12] ?? 0)) * PAGE + (offset & (PAGE - 1))) >>> 2;
  });
  return { memory: { words, map }, root, lows, wordIndexes, accesses };
}

function permutation(count: number): Uint32Array {
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
