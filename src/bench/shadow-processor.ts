import { createEngine, type GuestFrames, ShadowPageTables, type TranslationEngine } from "../hypervisor/index.ts";
import type { PagingState } from "../paging/index.ts";
import { longMode } from "./paged-guest.ts";

/** A processor on shadow page tables of its own, and the tables, which say what was written to the guest's. */
export interface ShadowProcessor {
  readonly engine: TranslationEngine;
  readonly tables: ShadowPageTables;
  readonly state: PagingState;
}

/** @param batch leaves that one hidden fault fills at most; 1 fills them one by one */
export function shadowProcessor(memory: GuestFrames, root: number, batch: number): ShadowProcessor {
  const state = longMode(root);
  const tables = new ShadowPageTables({ frames: memory, processors: 1, batch });
  const engine = createEngine("shadow", { memory, state, shadow: { tables, processor: 0 } });
  engine.controlChanged({ ...state, cr3: 0 }, false);
  return { engine, tables, state };
}
