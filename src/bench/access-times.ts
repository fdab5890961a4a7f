import { createEngine, type EngineKind, MISSED, type TranslationEngine } from "../hypervisor/index.ts";
import { ACCESS_WRITE } from "../paging/index.ts";
import { BLOCK, type Block, nanosecondsBySide } from "./measure.ts";
import { longMode } from "./paged-guest.ts";
import type { PagedSet } from "./paged-set.ts";

// Constants of this file alone, which V8 folds; imported ones it loads and checks at every round of a loop.
const NOT_AT_HAND = MISSED;
const IN_PAGE = 0xfff;
const RUN = BLOCK;

/** Nanoseconds for an access of 8 bytes: raw, through the engine one by one, and through it in runs of `BLOCK`. */
export interface AccessTimes {
  readonly rawRead: number;
  readonly rawWrite: number;
  readonly read: number;
  readonly write: number;
  readonly readInRuns: number;
  readonly writeInRuns: number;
}

/** An engine on a set's memory, with every page touched once. */
export function readyEngine(kind: EngineKind, set: PagedSet): TranslationEngine {
  const state = longMode(set.root);
  const engine = createEngine(kind, { memory: set.memory, state });
  engine.controlChanged({ ...state, cr3: 0 }, false);
  for (let index = 0; index < set.accesses; index++) {
    const low = set.lows[index] ?? 0;
    const address = engine.translate(0, low, index % 2 === 0 ? ACCESS_WRITE : 0);
    if (address >>> 2 !== set.wordIndexes[index]) throw new Error(`${kind} went wrong at access ${index}`);
  }
  return engine;
}

/** Measures one engine on one set. */
export function accessTimes(kind: EngineKind, set: PagedSet): AccessTimes {
  const engine = readyEngine(kind, set);
  const reads = [rawRead(set), read(engine, set), readInRuns(engine, set)];
  const writes = [rawWrite(set), write(engine, set), writeInRuns(engine, set)];
  const [rawReads, oneRead, runOfReads, rawWrites, oneWrite, runOfWrites] = nanosecondsBySide(
    [...reads, ...writes],
    set.accesses,
  );
  return {
    rawRead: rawReads!,
    rawWrite: rawWrites!,
    read: oneRead!,
    write: oneWrite!,
    readInRuns: runOfReads!,
    writeInRuns: runOfWrites!,
  };
}

// The loops count with `| 0`: V8 keeps what it knows to be of 32 bits in registers as it is.

/** Reads 8 bytes where each access of an order leads, without a translation. */
export function rawRead({ memory: { words }, wordIndexes }: Pick<PagedSet, "memory" | "wordIndexes">): Block {
  return (from) => {
    const end = Math.min(from + BLOCK, wordIndexes.length) | 0;
    let sum = 0;
    for (let index = from | 0; index < end; index = (index + 1) | 0) {
      const at = wordIndexes[index]!;
      sum ^= words[at]! ^ words[at + 1]!;
    }
    return sum;
  };
}

function rawWrite({ memory: { words }, wordIndexes }: PagedSet): Block {
  return (from) => {
    const end = (from + BLOCK) | 0;
    for (let index = from | 0; index < end; index = (index + 1) | 0) {
      const at = wordIndexes[index]!;
      words[at] = index;
      words[at + 1] = from;
    }
    return from;
  };
}

// One by one: hits in a loop that calls nothing, as an emulator's would, and outside it what is not at hand.

function read(engine: TranslationEngine, { memory: { words }, lows }: PagedSet): Block {
  const total = new Int32Array(1);
  const hits = (from: number, end: number) => {
    let sum = 0;
    let index = from | 0;
    for (; index < end; index = (index + 1) | 0) {
      const low = lows[index]!;
      const page = engine.hit(0, low, 0);
      if ((page & NOT_AT_HAND) !== 0) break;
      const at = (page | (low & IN_PAGE)) >>> 2;
      sum ^= words[at]! ^ words[at + 1]!;
    }
    total[0]! ^= sum;
    return index;
  };
  return (from) => {
    const end = (from + BLOCK) | 0;
    for (let index = hits(from, end); index < end; index = hits(index + 1, end)) {
      const at = engine.translate(0, lows[index]!, 0) >>> 2;
      total[0]! ^= words[at]! ^ words[at + 1]!;
    }
    return total[0]!;
  };
}

function write(engine: TranslationEngine, { memory: { words }, lows }: PagedSet): Block {
  const hits = (from: number, end: number) => {
    let index = from | 0;
    for (; index < end; index = (index + 1) | 0) {
      const low = lows[index]!;
      const page = engine.hit(0, low, ACCESS_WRITE);
      if ((page & NOT_AT_HAND) !== 0) break;
      const at = (page | (low & IN_PAGE)) >>> 2;
      words[at] = index;
      words[at + 1] = from;
    }
    return index;
  };
  return (from) => {
    const end = (from + BLOCK) | 0;
    for (let index = hits(from, end); index < end; index = hits(index + 1, end)) {
      const at = engine.translate(0, lows[index]!, ACCESS_WRITE) >>> 2;
      words[at] = index;
      words[at + 1] = from;
    }
    return from;
  };
}

// A run is translated by one loop and accessed by another, each in a function of its own: a loop within a loop is slower. The
// second one reads by twos: a loop this short, with a step of one, V8 gives twice the time for each access.

function readInRuns(engine: TranslationEngine, { memory: { words }, lows }: PagedSet): Block {
  const addresses = new Int32Array(RUN);
  return (from) => {
    engine.translateRun(0, lows, from, RUN, 0, addresses);
    let sum = 0;
    for (let index = 0; index < RUN; index = (index + 2) | 0) {
      const at = addresses[index]! >>> 2;
      const next = addresses[(index + 1) | 0]! >>> 2;
      sum ^= words[at]! ^ words[at + 1]! ^ words[next]! ^ words[next + 1]!;
    }
    return sum;
  };
}

function writeInRuns(engine: TranslationEngine, { memory: { words }, lows }: PagedSet): Block {
  const addresses = new Int32Array(RUN);
  return (from) => {
    engine.translateRun(0, lows, from, RUN, ACCESS_WRITE, addresses);
    for (let index = 0; index < RUN; index = (index + 1) | 0) {
      const at = addresses[index]! >>> 2;
      words[at] = index;
      words[at + 1] = from;
    }
    return from;
  };
}
