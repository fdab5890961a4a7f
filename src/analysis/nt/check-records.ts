import { hex } from "../../binary/index.ts";
import {
  CHECK_RECORDS_EXPORT,
  CHECK_RECORDS_SIGNATURE,
  CHECK_RECORDS_VERSION,
  checkEntry,
  checkRecords,
  KERNEL_CHECKS,
  type KernelCheck,
} from "../../dumpfile/index.ts";
import type { Facts, TrackedUser } from "../facts.ts";
import { forcedIrqlFact } from "./forced-irql.ts";
import { placeOf } from "./function-names.ts";
import type { Kernel } from "./kernel.ts";
import { kernelExport } from "./kernel-exports.ts";
import type { Modules } from "./modules.ts";
import { lockFact, mappingFact } from "./pointed-records.ts";
import { poolTrackingFact } from "./pool-tracking.ts";
import { dmaFact } from "./stopped-device.ts";

const MOST_ENTRIES = 65_536;
const bitOf = (check: KernelCheck) => 1 << KERNEL_CHECKS.indexOf(check);
const SPECIAL_POOL_BITS = bitOf("special-pool") | bitOf("special-pool-start");
/** Per cent of the blocks, below which Driver Verifier's documentation has special pool called insufficient. */
const ENOUGH_COVERAGE = 95;

/** What the kernel's armed checks recorded before it stopped; null for a kernel that has none. */
export function checkFacts(kernel: Kernel, modules: Modules): Facts["checks"] | null {
  const { memory } = kernel;
  const at = kernelExport(modules, CHECK_RECORDS_EXPORT);
  const bytes = at === null ? null : memory.read(at, checkRecords.size);
  if (!bytes) return null;
  const records = checkRecords.read(bytes);
  if (records.signature !== CHECK_RECORDS_SIGNATURE || records.version !== CHECK_RECORDS_VERSION) return null;
  const count = Math.min(records.entryCount, records.entryCapacity, MOST_ENTRIES);
  const entries = count === 0 ? null : memory.read(records.entries, count * checkEntry.size);
  const armed = KERNEL_CHECKS.filter((_, bit) => (records.armedMask >>> bit) & 1);
  return {
    armed,
    systemPtes: {
      total: Number(records.totalPtes),
      free: Number(records.freePtes),
      largestFreeRun: Number(records.largestFreeRun),
      users: entries ? usersOf(entries, count, modules) : [],
    },
    specialPool:
      records.armedMask & SPECIAL_POOL_BITS
        ? specialPoolFact(Number(records.specialEligible), Number(records.specialGiven))
        : null,
    forcedIrql: forcedIrqlFact(kernel, modules),
    poolTracking: poolTrackingFact(kernel, modules),
    lockedPages: lockFact(kernel, modules, armed),
    mapping: mappingFact(kernel, modules, armed),
    dma: dmaFact(kernel, modules, armed),
  };
}

/** When special pool is used up, blocks come from the ordinary one without a word: its finding nothing means less then. */
function specialPoolFact(eligible: number, given: number) {
  const coverage = eligible === 0 ? 100 : Math.floor((given / eligible) * 1000) / 10;
  return { eligible, given, coverage, isEnough: coverage >= ENOUGH_COVERAGE };
}

/** The entries grouped by the module their caller lies in; who holds most comes first, in a module and among them. */
function usersOf(entries: Uint8Array, count: number, modules: Modules): TrackedUser[] {
  const users = new Map<string, { allocations: number; sites: TrackedUser["sites"] }>();
  for (let i = 0; i < count; i++) {
    const entry = checkEntry.read(entries, i * checkEntry.size);
    const place = placeOf(entry.caller, modules);
    const name = place.module ?? modules.at(entry.moduleBase)?.name ?? hex(entry.moduleBase);
    const user = users.get(name) ?? { allocations: 0, sites: [] };
    users.set(name, user);
    user.allocations += entry.calls;
    user.sites.push({
      address: hex(entry.caller),
      function: place.function,
      moduleOffset: place.moduleOffset,
      calls: entry.calls,
      released: entry.releasedCalls,
      held: Number(entry.heldPtes),
    });
  }
  const all = [...users].map(([module, { allocations, sites }]) => ({
    module,
    held: sites.reduce((sum, site) => sum + site.held, 0),
    allocations,
    sites: sites.sort((a, b) => b.held - a.held),
  }));
  return all.sort((a, b) => b.held - a.held);
}
