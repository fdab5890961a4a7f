import { hex, joinAddress } from "../../binary/index.ts";
import { ACCESS_USER } from "../../paging/index.ts";
import type { HostMemory } from "../host-memory.ts";
import type { Partition } from "../partition.ts";
import { standIn } from "../stand-in.ts";
import { CachingEngine } from "../translation/physical-tlb.ts";
import { ENTRIES, WORDS } from "../translation/shadow/entry.ts";
import type { ShadowPageTables } from "../translation/shadow/index.ts";
import { type Armed, type Struck, together } from "./occasion.ts";
import { addressOf, isLink, occupiedOf } from "./shadow-entries.ts";

const FLAGS = 0xfff;

type Below = (below: number) => number;

/** A fill leads to another host frame: the leaf that was asked for, or a neighbour that was filled with it. */
export function wrongLeaf(
  tables: ShadowPageTables,
  host: HostMemory,
  neighbour: boolean,
  below: Below,
  struck: Struck,
): Armed {
  return standIn(tables, "fill", (fill, space, state, high, low, needed, counters) => {
    const filled = fill(space, state, high, low, needed, counters);
    if (filled < 0) return filled;
    const others = occupiedOf(tables, filled >>> 9).filter((entry) => entry !== filled && !isLink(tables, entry));
    if (neighbour && others.length === 0) return filled;
    const { entries } = tables.pool;
    const entry = neighbour ? others[below(others.length)]! : filled;
    const at = entry * WORDS;
    const frame = (entries[at]! >>> 12) ^ (1 + below(Math.min(host.frames, ENTRIES) - 1));
    entries[at] = ((frame % host.frames) << 12) | (entries[at]! & FLAGS);
    struck({ guestPhysicalAddress: hex(addressOf(tables, entry)) });
    return filled;
  });
}

/** A processor's TLB remembers a frame that is not the partition's, for an access in user mode: many of the same page follow it. */
export function wrongSlot(partition: Partition, host: HostMemory, below: Below, struck: Struck): Armed {
  const own = new Set<number>();
  for (const { firstPage, pageCount } of partition.memory.runs())
    for (let page = firstPage; page < firstPage + pageCount; page++) own.add(partition.memory.hostFrame(page)!);
  const foreign = Array.from({ length: host.frames }, (_, frame) => frame).filter((frame) => !own.has(frame));
  type Remember = (high: number, low: number, access: number, address: number, global: boolean) => void;
  const armed = partition.processors.flatMap(({ index, translation }) => {
    if (!(translation instanceof CachingEngine) || foreign.length === 0) return [];
    const target = translation as unknown as { rememberSmall: Remember };
    return [
      standIn(target, "rememberSmall", (remember, high, low, access, address, global) => {
        const left = partition.shadowTables?.shootdown.left(index);
        const forgetsAnyway = left === null || (left !== undefined && left.length > 0);
        if ((access & ACCESS_USER) === 0 || forgetsAnyway) {
          remember(high, low, access, address, global);
          return;
        }
        remember(high, low, access, foreign[below(foreign.length)]! * 4096 + (address & FLAGS), global);
        struck({ linearAddress: hex(joinAddress(high, low & ~FLAGS)) });
      }),
    ];
  });
  return together(armed);
}
