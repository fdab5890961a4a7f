import { describe, expect, it } from "vitest";
import { FAULT_KINDS, type InjectedFault } from "../../src/hypervisor/index.ts";
import { injectFault } from "../../src/hypervisor/injection/index.ts";
import type { Partition } from "../../src/hypervisor/partition.ts";
import type { SharingRequest } from "../../src/hypervisor/sharing/index.ts";
import { watchTranslations } from "../../src/hypervisor/translation-watch.ts";
import { AuditedMachine } from "./audit-machine.ts";
import { OPERATION_KINDS, operate, REGISTERS_ASSIGNED } from "./audit-operations.ts";
import { generator } from "./random-tables.ts";

const SEEDS = 32;
const OPERATIONS = 500;
/** Milliseconds: many machines are built and audited. */
const TIMEOUT = 240_000;

/** Faults that a watch notices in the operation in which they strike; others when what is wrong is used. */
const NOTICED_AT_ONCE = [
  "address space",
  "page",
  "page in a TLB",
  "leaf after page flush",
  "TLB slot",
  "leaf",
  "neighbour",
];

/**
 * A machine at work until its fault has struck. @returns the fault, the audit at that moment, and whether a watch that should
 * have noticed in the operation itself did not; null where the fault never struck
 */
function untilStruck(kind: InjectedFault["kind"], seed: number) {
  const machine = new AuditedMachine({ engine: "shadow", budgetPages: 256 });
  const requests: SharingRequest[] = [];
  const below = generator(seed * 7919);
  const partitions = machine.partitions as unknown as readonly Partition[];
  const fault = injectFault({ partitions, memory: machine.host, sharing: machine.sharing }, { kind, seed });
  let noticed = false;
  for (const partition of partitions)
    watchTranslations(partition, () => {
      noticed ||= fault.struck !== null && machine.audit().found > 0;
    });
  for (let index = 0; index < OPERATIONS; index++) {
    const operation = below(2 ** 32 - 1);
    operate(machine, requests, operation, index);
    // A host that assigns registers is not watched.
    const isWatched = NOTICED_AT_ONCE.includes(fault.variant) && operation % OPERATION_KINDS !== REGISTERS_ASSIGNED;
    if (fault.struck !== null) return { fault, index, report: machine.audit(), unnoticed: isWatched && !noticed };
  }
  return null;
}

describe("crash-analysis hooks (systems.md 1.4): whatever the hypervisor does wrong, the audit names it, and a watch has it come in time", () => {
  it.each(FAULT_KINDS)(
    "%s",
    (kind) => {
      const struck = new Map<string, number>();
      const missed: string[] = [];
      const unnoticed: string[] = [];
      for (let seed = 1; seed <= SEEDS; seed++) {
        const happened = untilStruck(kind, seed);
        if (happened === null) continue;
        const { fault, index, report } = happened;
        if (happened.unnoticed) unnoticed.push(`seed ${seed}, operation ${index}: ${fault.variant}`);
        struck.set(fault.variant, (struck.get(fault.variant) ?? 0) + 1);
        const { partition, linearAddress, guestPhysicalAddress } = fault.struck!;
        const named = report.corruptions.filter(
          (found) =>
            found.kind === kind &&
            found.partition === partition &&
            (linearAddress === null || found.linearAddress === linearAddress) &&
            (guestPhysicalAddress === null || found.guestPhysicalAddress === guestPhysicalAddress),
        );
        if (named.length === 0)
          missed.push(
            `seed ${seed}, operation ${index}: ${JSON.stringify([fault, report.corruptions, report.unchecked])}`,
          );
      }
      expect(missed).toEqual([]);
      expect(unnoticed).toEqual([]);
      expect([...struck.keys()].sort()).toEqual(VARIANTS[kind]);
      expect([...struck.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(SEEDS / 2);
    },
    TIMEOUT,
  );
});

const VARIANTS = {
  "stale-entry": ["leaf after comparison", "leaf after page flush", "link after comparison"],
  "lost-flush": ["address space", "page", "page in a TLB", "word to a processor"],
  "wrong-frame": ["TLB slot", "leaf", "neighbour"],
  "count-underflow": ["buffer frame", "shared frame", "shared page"],
};
