import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SharingRequest } from "../../src/hypervisor/sharing/index.ts";
import { AuditedMachine, type MachineOptions } from "./audit-machine.ts";
import { operate } from "./audit-operations.ts";

const MACHINES: readonly (MachineOptions & { readonly name: string })[] = [
  { name: "walk", engine: "walk" },
  { name: "tlb", engine: "tlb" },
  { name: "shadow", engine: "shadow" },
  { name: "shadow, hardly any pages, no batches", engine: "shadow", budgetPages: 16, batch: 1 },
];

describe("crash-analysis hooks (systems.md 1.4): a healthy machine is never accused", () => {
  it.each(MACHINES)(
    "$name: edits, flushes, accesses, switches, evictions, map changes, DMA",
    ({ name: _, ...options }) => {
      let [entries, slots] = [0, 0];
      fc.assert(
        fc.property(
          fc.array(fc.noBias(fc.nat(0xffff_ffff)), { minLength: 300, maxLength: 300, size: "max" }),
          (operations) => {
            const machine = new AuditedMachine({ ...options, sharesTables: operations[0]! % 2 === 0 });
            const requests: SharingRequest[] = [];
            for (const [index, operation] of operations.entries()) {
              operate(machine, requests, operation, index);
              if (index % 25 !== 24) continue;
              const { corruptions, checked } = machine.audit();
              entries += checked.shadowEntries;
              slots += checked.tlbSlots;
              if (corruptions.length > 0) throw new Error(`after ${index}: ${JSON.stringify(corruptions[0], null, 1)}`);
            }
          },
        ),
        { numRuns: 12, seed: 11, endOnFailure: true },
      );
      expect(entries > 0).toBe(options.engine === "shadow");
      expect(slots > 0).toBe(options.engine !== "walk");
    },
  );
});
