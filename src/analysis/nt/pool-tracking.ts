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

/**
 * The blocks that pool tracking knows of and that are not freed, by the driver that asked for them, and the one that the stop code is about;
 * null where it was not armed.
 */
export function poolTrackingFact(kernel: Kernel, modules: Modules) {
  const at = kernelExport(modules, POOL_TRACKING_EXPORT);
  const bytes = at === null ? null : kernel.memory.read(at, poolTracking.size);
  if (!bytes) return null;
  const { entries, capacity, tracked, missed } = poolTracking.read(bytes);
  if (entries === 0n) return null;
  const table = kernel.memory.read(entries, Math.min(capacity, MOST_ENTRIES) * poolEntry.size);
  const held = table === null ? [] : heldBlocks(table);
  const about = held.find(({ block }) => block === kernel.stopCode?.parameters[1]);
  return {
    tracked: Number(tracked),
    missed: Number(missed),
    users: usersOf(held, modules),
    stopped: about ? { module: ownerOf(about, modules), ...blockFact(about, modules) } : null,
  };
}

type Entry = ReturnType<typeof poolEntry.read>;

function heldBlocks(table: Uint8Array): Entry[] {
  const held: Entry[] = [];
  for (let at = 0; at < table.length; at += poolEntry.size) {
    const entry = poolEntry.read(table, at);
    if (entry.block > USED_BEFORE) held.push(entry);
  }
  return held;
}

/** Who holds most blocks comes first. */
function usersOf(held: readonly Entry[], modules: Modules): PoolUser[] {
  const users = new Map<string, PoolUser>();
  for (const entry of held) {
    const module = ownerOf(entry, modules);
    const user = users.get(module) ?? { module, held: 0, bytes: 0, blocks: [] };
    users.set(module, user);
    user.held++;
    user.bytes += Number(entry.bytes);
    if (user.blocks.length < MOST_BLOCKS) user.blocks.push(blockFact(entry, modules));
  }
  return [...users.values()].sort((a, b) => b.held - a.held);
}

const ownerOf = ({ caller }: Entry, modules: Modules): string => modules.at(caller)?.name ?? hex(caller);

const blockFact = ({ block, bytes, poolTag, caller }: Entry, modules: Modules): PoolUser["blocks"][number] => ({
  address: hex(block),
  bytes: Number(bytes),
  tag: letters(BigInt(poolTag)) ?? hex(poolTag),
  caller: hex(caller),
  function: placeOf(caller, modules).function,
});
