import { hex } from "../../binary/index.ts";
import { POOL_TRACKING_EXPORT, poolEntry, poolTracking } from "../../dumpfile/index.ts";
import type { PoolUser } from "../facts.ts";
import { placeOf } from "./function-names.ts";
import type { Kernel } from "./kernel.ts";
import { kernelExport } from "./kernel-exports.ts";
import type { Modules } from "./modules.ts";
import { letters } from "./parameter-values.ts";

const MOST_ENTRIES = 65_536;
/** Blocks of one driver that are told one by one. */
const MOST_BLOCKS = 8;
/** In the place of an address, of an entry that is used no more. */
const USED_BEFORE = 1n;

/** The blocks that pool tracking knows of and that are not freed, by the driver that asked for them; null where it was not armed. */
export function poolTrackingFact(kernel: Kernel, modules: Modules) {
  const at = kernelExport(modules, POOL_TRACKING_EXPORT);
  const bytes = at === null ? null : kernel.memory.read(at, poolTracking.size);
  if (!bytes) return null;
  const { entries, capacity, tracked, missed } = poolTracking.read(bytes);
  if (entries === 0n) return null;
  const table = kernel.memory.read(entries, Math.min(capacity, MOST_ENTRIES) * poolEntry.size);
  return { tracked: Number(tracked), missed: Number(missed), users: table === null ? [] : usersOf(table, modules) };
}

/** Who holds most blocks comes first. */
function usersOf(table: Uint8Array, modules: Modules): PoolUser[] {
  const users = new Map<string, PoolUser>();
  for (let at = 0; at < table.length; at += poolEntry.size) {
    const entry = poolEntry.read(table, at);
    if (entry.block <= USED_BEFORE) continue;
    const place = placeOf(entry.caller, modules);
    const module = place.module ?? hex(entry.caller);
    const user = users.get(module) ?? { module, held: 0, bytes: 0, blocks: [] };
    users.set(module, user);
    user.held++;
    user.bytes += Number(entry.bytes);
    if (user.blocks.length === MOST_BLOCKS) continue;
    user.blocks.push({
      address: hex(entry.block),
      bytes: Number(entry.bytes),
      tag: letters(BigInt(entry.poolTag)) ?? hex(entry.poolTag),
      caller: hex(entry.caller),
      function: place.function,
    });
  }
  return [...users.values()].sort((a, b) => b.held - a.held);
}
