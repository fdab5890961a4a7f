import { createEngine, type EngineKind, type TranslationEngine } from "../hypervisor/index.ts";
import {
  ACCESS_WRITE,
  CR0_PE,
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PGE,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  type PagingState,
} from "../paging/index.ts";
import { BLOCK, type Block, nanoseconds } from "./measure.ts";
import type { PagedSet } from "./paged-set.ts";

/** Nanoseconds for an 8-byte access, and the raw one that was measured right beside it. */
export interface AccessTimes {
  readonly raw: number;
  readonly read: number;
  readonly write: number;
}

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
  return {
    raw: nanoseconds(rawBlock(set), set.accesses),
    read: nanoseconds(readBlock(engine, set), set.accesses),
    write: nanoseconds(writeBlock(engine, set), set.accesses),
  };
}

function rawBlock({ memory: { words }, wordIndexes }: PagedSet): Block {
  return (from) => {
    let sum = 0;
    for (let index = from; index < from + BLOCK; index++) {
      const at = wordIndexes[index]!;
      sum ^= words[at]! ^ words[at + 1]!;
    }
    return sum;
  };
}

function readBlock(engine: TranslationEngine, { memory: { words }, lows }: PagedSet): Block {
  return (from) => {
    let sum = 0;
    for (let index = from; index < from + BLOCK; index++) {
      const at = engine.translate(0, lows[index]!, 0) >>> 2;
      sum ^= words[at]! ^ words[at + 1]!;
    }
    return sum;
  };
}

function writeBlock(engine: TranslationEngine, { memory: { words }, lows }: PagedSet): Block {
  return (from) => {
    for (let index = from; index < from + BLOCK; index++) {
      const at = engine.translate(0, lows[index]!, ACCESS_WRITE) >>> 2;
      words[at] = index;
      words[at + 1] = from;
    }
    return from;
  };
}
