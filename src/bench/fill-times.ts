import { ENTRY_ACCESSED } from "../paging/index.ts";
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
export interface FillTimes {
  /** Nanoseconds for a raw read of 8 bytes in the page of each fault, in their order. */
  readonly rawRead: number;
  /** Nanoseconds a leaf. */
  readonly fill: number;
  /** Of one round, as the engine counts them. */
  readonly hiddenFaults: number;
  readonly fills: number;
}

export interface FillTask {
  /** Leaves that a fault fills. */
  readonly batch: number;
  /** The guest's leaves are not marked accessed: a fault walks the guest's tables, and leaves a flag pending. */
  readonly untouched: boolean;
  /** Order of the linear addresses; the frames lie at random either way. At random, a fill waits for memory a dozen times. */
  readonly order: FillOrder;
}

export type FillOrder = "ascending" | "random";

/** Measures fills of a set that makes two blocks of faults even in batches: 256 MiB. */
export function fillTimes({ batch, untouched, order }: FillTask): FillTimes {
  const pages = 2 * BLOCK * BATCH;
  const guest = new PagedGuest(tablesFor(1, pages / PAGES_IN_TABLE), pages, WRITTEN_BEFORE);
  const { words, firstFrame } = guest;
  const root = guest.newSpace();
  const frames = permutation(pages);
  const leaf = untouched ? UNTOUCHED : WRITTEN_BEFORE;
  const leafWords = Int32Array.from({ length: pages }, (_, page) =>
    guest.mapPage(root, SET_START + page * PAGE, firstFrame + frames[page]!, leaf),
  );
  words.fill(1, firstFrame * (PAGE / 4));

  const { engine } = shadowProcessor(guest, root, batch);
  const faults = pages / batch;
  const numbers = order === "random" ? permutation(faults) : Uint32Array.from({ length: faults }, (_, fault) => fault);
  const lows = Int32Array.from(numbers, (fault) => SET_START + fault * batch * PAGE);
  const wordIndexes = lows.map((low) => (firstFrame + frames[(low - SET_START) / PAGE]!) * (PAGE / 4));
  const empty = () => {
    engine.guestMapChanged(firstFrame, pages);
    if (untouched) for (const word of leafWords) words[word]! &= ~ENTRY_ACCESSED;
  };
  const block: Block = (from) => {
    const end = (from + BLOCK) | 0;
    let sum = 0;
    for (let index = from | 0; index < end; index = (index + 1) | 0) sum ^= engine.translate(0, lows[index]!, 0);
    return sum;
  };
  const raw: Block = (from) => {
    const end = (from + BLOCK) | 0;
    let sum = 0;
    for (let index = from | 0; index < end; index = (index + 1) | 0) {
      const at = wordIndexes[index]!;
      sum ^= words[at]! ^ words[at + 1]!;
    }
    return sum;
  };

  for (let from = 0; from < faults; from += BLOCK) block(from);
  const rawRead = nanoseconds(raw, faults);
  const fault = nanoseconds(block, faults, empty);
  empty();
  const before = engine.counters();
  for (let from = 0; from < faults; from += BLOCK) block(from);
  const after = engine.counters();
  const grown = (name: string) => after[name]! - before[name]!;
  return {
    rawRead,
    fill: fault / batch,
    hiddenFaults: grown("pageFaultIntercepts"),
    fills: grown("smallPageTlbFills"),
  };
}
