import { describe, expect, it } from "vitest";
import { WholeHostMemory } from "../../src/hypervisor/foreign-memory.ts";
import { auditState, type HypervisorState } from "../../src/hypervisor/index.ts";
import { AuditedMachine, PAGE } from "./audit-machine.ts";
import { leafAt, P, pte, U } from "./shadow-guest.ts";

type Changing<T> = T extends Int32Array ? T : T extends object ? { -readonly [K in keyof T]: Changing<T[K]> } : T;
type ChangingState = Changing<HypervisorState>;

/** Two partitions, of which one has pages of the other under a device; linear page 3 may only be read. */
function machineAtWork() {
  const machine = new AuditedMachine({ engine: "shadow" });
  const [web, db] = machine.partitions as [AuditedMachine["first"], AuditedMachine["first"]];
  web.memory.writeU64(leafAt(1, 3), pte(0x103, P | U | 0x60n));
  for (let page = 0; page < 6; page++) web.processors[0]!.translate(0, page * PAGE, 0);
  web.processors[0]!.moveToCr3(web.processors[0]!.registers.cr3);
  web.processors[0]!.translate(0, 3 * PAGE, 0);
  machine.sharing.allowDma(web, 0x300, 2);
  machine.sharing.allowDma(db, 0x500, 2);
  const order = { owner: web, requester: db, bufferPage: 0x500, device: "nic", direction: "to-shared" as const };
  expect(machine.sharing.request({ ...order, pages: [0x300, 0x301] }).status).toBe("success");
  return machine;
}

/** Where the row of the shadow entry for linear page 3 begins, in words of the first partition's entries. */
function rowOfPage3({ partitions: [web] }: ChangingState): number {
  const words = web!.shadowEntries;
  for (let row = 0; row < words.length; row += 8) if (words[row + 3]! >>> 12 === 0x103) return row;
  throw new Error("no entry for linear page 3");
}

const CHANGES: readonly [string, string, (state: ChangingState) => void][] = [
  [
    "wrong-rights",
    "a write is allowed",
    (state) => {
      state.partitions[0]!.shadowEntries[rowOfPage3(state) + 1]! |= 0o2222;
    },
  ],
  [
    "wrong-frame",
    "another host frame",
    (state) => {
      state.partitions[0]!.shadowEntries[rowOfPage3(state) + 1]! ^= 0x1000;
    },
  ],
  [
    "stale-entry",
    "another guest entry",
    (state) => {
      state.partitions[0]!.shadowEntries[rowOfPage3(state) + 3]! ^= 0x200;
    },
  ],
  [
    "reverse-map",
    "the chain goes elsewhere",
    (state) => {
      state.partitions[0]!.shadowEntries[rowOfPage3(state) + 5] = 7;
    },
  ],
  [
    "reference-count",
    "one reference too many",
    (state) => {
      state.partitions[0]!.shadowPages[0]!.references++;
    },
  ],
  [
    "over-budget",
    "a smaller budget",
    (state) => {
      state.partitions[0]!.partition[0]!.budget = 2;
    },
  ],
  [
    "broken-link",
    "a child of another table",
    (state) => {
      state.partitions[0]!.shadowPages.at(-1)!.source += 512;
    },
  ],
  [
    "lost-flush",
    "a space that has not seen a flush",
    (state) => {
      state.partitions[0]!.spaces[0]!.flushedAt = 1;
    },
  ],
  [
    "leak",
    "counted, and no device",
    (state) => {
      state.pending[0]!.count++;
    },
  ],
  [
    "count-underflow",
    "taken below zero",
    (state) => {
      state.sharedPages[0]!.count = 0xffff_ffff;
    },
  ],
  [
    "use-after-unmap",
    "a device nobody counted",
    (state) => {
      state.requestPages = [];
      state.sharedPages = [];
      state.pending = [];
    },
  ],
  [
    "exclusion",
    "closed while it is at work",
    (state) => {
      state.openRuns = [];
    },
  ],
  [
    "slot",
    "a slot that counts as free",
    (state) => {
      state.sharedPages[0]!.slotIsFree = 1;
    },
  ],
];

describe("crash-analysis hooks (systems.md 1.4, 3.4/13): each kind of contradiction is called by its name", () => {
  it.each(CHANGES)("%s: %s", (kind, _, change) => {
    const machine = machineAtWork();
    const memory = new WholeHostMemory(machine.host);
    const state = machine.state() as ChangingState;
    expect(auditState(state as HypervisorState, memory).corruptions).toEqual([]);
    change(state);
    const { corruptions, found } = auditState(state as HypervisorState, memory);
    expect(corruptions.map((corruption) => corruption.kind)).toContain(kind);
    expect(found).toBe(corruptions.length);
    // Plain data: what is written as JSON is what was found.
    expect(JSON.parse(JSON.stringify(corruptions))).toEqual(corruptions);
  });

  it("a leaf's report says where: partition, address space, linear and guest physical address, host frame", () => {
    const machine = machineAtWork();
    const state = machine.state() as ChangingState;
    const row = rowOfPage3(state);
    const before = state.partitions[0]!.shadowEntries[row + 1]! >>> 12;
    state.partitions[0]!.shadowEntries[row + 1]! ^= 0x1000;
    const [corruption] = auditState(state as HypervisorState, new WholeHostMemory(machine.host)).corruptions;
    expect(corruption).toMatchObject({
      kind: "wrong-frame",
      partition: "web",
      addressSpace: "0x1000",
      linearAddress: "0x3000",
      guestPhysicalAddress: "0x103000",
      hostFrame: before ^ 1,
      expected: `host frame 0x${before.toString(16)}`,
    });
  });

  it("tables that a dump left out are not accused: what could not be looked at is counted", () => {
    const machine = machineAtWork();
    const whole = new WholeHostMemory(machine.host);
    const web = machine.first;
    const missing = new Set([1, 2, 3, 4].map((page) => web.memory.hostFrame(page)));
    const dump = {
      runs: () => whole.runs(),
      pageState: (pfn: number) => whole.pageState(pfn),
      read: (address: number, length: number) =>
        whole.read(missing.has(Math.floor(address / PAGE)) ? 2 ** 40 : address, length),
    };
    const { corruptions, unchecked } = auditState(machine.state(), dump);
    expect(corruptions).toEqual([]);
    expect(unchecked).toContainEqual({
      reason: "shadow entries whose guest table is not in the dump",
      count: expect.any(Number),
    });
  });
});
