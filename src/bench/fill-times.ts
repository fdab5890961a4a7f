import type { TranslationEngine } from "../hypervisor/index.ts";
import { ENTRY_ACCESSED } from "../paging/index.ts";
import { rawRead } from "./access-times.ts";
import { BLOCK, type Block, nanoseconds } from "./measure.ts";
import { PAGE, PagedGuest, permutation, tablesFor, UNTOUCHED, WRITTEN_BEFORE } from "./paged-guest.ts";
import { SET_START } from "./paged-set.ts";
import { shadowProcessor } from "./shadow-processor.ts";

/** Leaves that a hidden fault fills, where it fills more than the one that was asked for. */
export const BATCH = 32;

const PAGES_IN_TABLE = 512;

/**
 * What filling shadow page tables costs, and that it was filling what was timed.
 *
 * A fault is one `translate`: the TLB misses, the shadow tables have the way but not the leaf, the leaf is made of the guest's
 * entry and the map's, entered in the reverse map and in the TLB; with its neighbours, where it fills those. The way stands
 * before, as it does for all but the first page of a page table. Between rounds the leaves are taken out and the TLB is emptied,
 * which is not timed. No access to the page itself is part of it.
 */
export interface FillTimes extends FillCounts {
  /** Nanoseconds for a raw read of 8 bytes in the page of each fault, in their order. */
  readonly rawRead: number;
  /** Nanoseconds a leaf. */
  readonly fill: number;
}

/** Of one round, as the engine counts them. */
export interface FillCounts {
  readonly hiddenFaults: number;
  readonly fills: number;
}

export interface FillTask {
  /** Pages of the set, a multiple of 512 and of the batch. */
  readonly pages: number;
  /** Leaves that a fault fills. */
  readonly batch: number;
  /** The guest's leaves are not marked accessed: a fault walks the guest's tables, and leaves a flag pending. */
  readonly untouched: boolean;
  /** Order of the linear addresses; the frames lie at random either way. At random, a fill waits for memory a dozen times. */
  readonly order: FillOrder;
}

export type FillOrder = "ascending" | "random";

/** A set to be filled. */
export class FillSet {
  readonly faults: number;
  /** Faults, and raw reads in the same order. */
  readonly fill: Block;
  readonly read: Block;

  readonly #engine: TranslationEngine;
  readonly #guest: PagedGuest;
  /** Where the guest's leaves lie, when their flags have to be taken away again. */
  readonly #leaves: Int32Array;
  readonly #pages: number;

  constructor({ pages, batch, untouched, order }: FillTask) {
    const guest = new PagedGuest(tablesFor(1, pages / PAGES_IN_TABLE), pages, WRITTEN_BEFORE);
    const { words, firstFrame } = guest;
    const root = guest.newSpace();
    const frames = permutation(pages);
    const leaves = Int32Array.from({ length: pages }, (_, page) =>
      guest.mapPage(root, SET_START + page * PAGE, firstFrame + frames[page]!, untouched ? UNTOUCHED : WRITTEN_BEFORE),
    );
    this.faults = pages / batch;
    this.#pages = pages;
    const inOrder = (_: unknown, fault: number) => fault;
    const numbers = order === "random" ? permutation(this.faults) : Uint32Array.from({ length: this.faults }, inOrder);
    const lows = Int32Array.from(numbers, (fault) => SET_START + fault * batch * PAGE);
    const wordIndexes = lows.map((low) => (firstFrame + frames[(low - SET_START) / PAGE]!) * (PAGE / 4));
    const { engine } = shadowProcessor(guest, root, batch);
    this.#engine = engine;
    this.#guest = guest;
    this.#leaves = untouched ? leaves : new Int32Array(0);

    const { faults } = this;
    this.fill = (from) => {
      const end = Math.min(from + BLOCK, faults);
      let sum = 0;
      for (let index = from | 0; index < end; index = (index + 1) | 0) sum ^= engine.translate(0, lows[index]!, 0);
      return sum;
    };
    this.read = rawRead({ memory: { words, map: guest.map }, wordIndexes });
    words.fill(1, firstFrame * (PAGE / 4));
    this.fillAll();
  }

  fillAll(): void {
    for (let from = 0; from < this.faults; from += BLOCK) this.fill(from);
  }

  /** Takes all leaves out, and leaves the ways to them: for the engine, the pages have moved. */
  empty(): void {
    const { words, firstFrame } = this.#guest;
    this.#engine.guestMapChanged(firstFrame, this.#pages);
    for (const leaf of this.#leaves) words[leaf]! &= ~ENTRY_ACCESSED;
  }

  counters(): FillCounts {
    const { pageFaultIntercepts, smallPageTlbFills } = this.#engine.counters();
    return { hiddenFaults: pageFaultIntercepts!, fills: smallPageTlbFills! };
  }
}

/** What filling an emptied set counts. */
export function fillCounts(set: FillSet): FillCounts {
  set.empty();
  const before = set.counters();
  set.fillAll();
  const after = set.counters();
  return { hiddenFaults: after.hiddenFaults - before.hiddenFaults, fills: after.fills - before.fills };
}

export function fillTimes(task: FillTask): FillTimes {
  const set = new FillSet(task);
  const rawRead = nanoseconds(set.read, set.faults);
  const fault = nanoseconds(set.fill, set.faults, () => set.empty());
  return { rawRead, fill: fault / task.batch, ...fillCounts(set) };
}
