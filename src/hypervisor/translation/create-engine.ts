import type { PagingState } from "../../paging/index.ts";
import { type GuestFrames, MAX_PHYSICAL_ADDRESS_BITS } from "../frame-map.ts";
import type { EngineKind, TranslationEngine } from "./engine.ts";
import { ShadowEngine, ShadowPageTables } from "./shadow/index.ts";
import { TlbEngine } from "./tlb-engine.ts";
import { WalkEngine } from "./walk-engine.ts";

export interface EngineOptions {
  /** The partition's memory: the host's words and the map to them. */
  readonly memory: GuestFrames;
  /** Of one processor; the engine keeps the reference and is told of changes by `controlChanged`, but of none to `pkru`. */
  readonly state: Readonly<PagingState>;
  /** MAXPHYADDR, 32 to 52; 40 when left out. */
  readonly maxPhysicalAddressBits?: number;
  /** For `shadow`: the tables that all processors of a partition use, and which of them this is; left out, it is alone. */
  readonly shadow?: { readonly tables: ShadowPageTables; readonly processor: number };
}

/** The engine of one processor. Every kind there is, is named here and in `EngineKind`. */
export function createEngine(kind: EngineKind, options: EngineOptions): TranslationEngine {
  const { memory: frames, state, maxPhysicalAddressBits = MAX_PHYSICAL_ADDRESS_BITS } = options;
  switch (kind) {
    case "walk":
      return new WalkEngine({ frames, state, maxPhysicalAddressBits, setFlags: true });
    case "tlb":
      return new TlbEngine({ frames, state, maxPhysicalAddressBits, setFlags: true });
    case "shadow": {
      const alone = () => new ShadowPageTables({ frames, processors: 1, maxPhysicalAddressBits });
      const { tables, processor } = options.shadow ?? { tables: alone(), processor: 0 };
      return new ShadowEngine({ tables, processor, state, maxPhysicalAddressBits });
    }
  }
}
