import { createEngine } from "../hypervisor/index.ts";
import { ACCESS_WRITE, PageWalker, type TableMemory } from "../paging/index.ts";
import { type AddressStream, type FlagsBefore, streamGuest } from "./address-stream.ts";
import { BATCH } from "./fill-times.ts";
import { longMode } from "./paged-guest.ts";
import { shadowProcessor } from "./shadow-processor.ts";

/** How often a stream leaves the guest unnoticed because its shadow tables have no entry. */
export interface HiddenFaults {
  readonly oneByOne: number;
  readonly inBatches: number;
  /** How many times fewer in batches. */
  readonly fewer: number;
}

/** What is counted of a stream, and the same on every machine. */
export interface StreamCounts {
  readonly accesses: number;
  readonly stores: number;
  readonly pages: number;
  /** Of a TLB that begins empty and keeps reads and writes apart. */
  readonly tlbMisses: number;
  /** In a guest whose entries have the flags that an earlier run has left; and in one that has never run. */
  readonly touched: HiddenFaults;
  readonly untouched: HiddenFaults;
  /** Words of the guest's tables written to set flags, in the guest that has never run: from shadow entries, and by a walker. */
  readonly lazyFlagWrites: number;
  readonly eagerFlagWrites: number;
}

export function streamCounts(stream: AddressStream): StreamCounts {
  const { lows, stores } = stream;
  const touched = streamGuest(stream, "touched");
  const state = longMode(touched.root);
  const tlb = createEngine("tlb", { memory: touched.memory, state });
  for (let index = 0; index < lows.length; index++) tlb.translate(0, lows[index]!, accessOf(stores[index]!));
  const first = shadowRuns(stream, "untouched");
  return {
    accesses: lows.length,
    stores: stores.reduce((sum, store) => sum + store, 0),
    pages: touched.pages,
    tlbMisses: tlb.counters().smallPageTlbFills!,
    touched: shadowRuns(stream, "touched").faults,
    untouched: first.faults,
    lazyFlagWrites: first.flagWrites,
    eagerFlagWrites: eagerFlagWrites(stream),
  };
}

function shadowRuns(stream: AddressStream, before: FlagsBefore): { faults: HiddenFaults; flagWrites: number } {
  const oneByOne = shadowRun(stream, before, 1).hiddenFaults;
  const { hiddenFaults: inBatches, flagWrites } = shadowRun(stream, before, BATCH);
  return { faults: { oneByOne, inBatches, fewer: oneByOne / inBatches }, flagWrites };
}

/** A stream through shadow page tables that begin empty. */
function shadowRun(stream: AddressStream, before: FlagsBefore, batch: number) {
  const { lows, stores } = stream;
  const { memory, root, wordIndexes } = streamGuest(stream, before);
  const { engine, tables } = shadowProcessor(memory, root, batch);
  for (let index = 0; index < lows.length; index++) {
    const address = engine.translate(0, lows[index]!, accessOf(stores[index]!));
    if (address >>> 2 !== wordIndexes[index]) throw new Error(`${stream.name} went wrong at access ${index}`);
  }
  engine.synchronizeFlags();
  return {
    hiddenFaults: engine.counters().pageFaultIntercepts!,
    flagWrites: tables.counters().guestTableFlagWrites!,
  };
}

/** What a walker writes that sets a flag the moment it is missing. */
function eagerFlagWrites(stream: AddressStream): number {
  const { memory, root } = streamGuest(stream, "untouched");
  const { words } = memory;
  let writes = 0;
  const tables: TableMemory = {
    readWord: (address) => words[address >>> 2]!,
    writeWord: (address, value) => {
      words[address >>> 2] = value;
      writes++;
    },
  };
  const walker = new PageWalker(tables, { maxPhysicalAddressBits: 40, setFlags: true });
  const state = longMode(root);
  for (let index = 0; index < stream.lows.length; index++)
    walker.walk(state, 0, stream.lows[index]!, accessOf(stream.stores[index]!));
  return writes;
}

function accessOf(store: number): number {
  return store === 1 ? ACCESS_WRITE : 0;
}
