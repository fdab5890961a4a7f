import { describe, expect, it } from "vitest";
import {
  ACCESS_AC,
  ACCESS_IMPLICIT,
  ACCESS_USER,
  ACCESS_WRITE,
  CR0_PG,
  CR4_LA57,
  CR4_PAE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PKE,
  CR4_SMAP,
} from "../../src/paging/index.ts";
import { buildTables, EngineMachine, leafAt } from "./engine-machine.ts";

const ROOT = 0x1_0000;
const OTHER = 0x2_0000;
const PCIDS = CR4_PAE | CR4_PGE | CR4_PCIDE;

function machineWith(cr4 = CR4_PAE | CR4_PGE, cr3 = ROOT): EngineMachine {
  const machine = new EngineMachine("tlb");
  buildTables(machine, ROOT);
  buildTables(machine, OTHER);
  machine.load({ cr3, cr4 });
  return machine;
}

/** Maps a page, has it cached, then maps it elsewhere without a flush. */
function cacheThenMove(machine: EngineMachine, root: number, page: number, flags = 7n): void {
  machine.setEntry(leafAt(root, page), 0x4_0000n | flags);
  expect(machine.access(page * 4096).at).toBe(0x4_0000);
  machine.setEntry(leafAt(root, page), 0x5_0000n | flags);
  expect(machine.access(page * 4096).at, "cached").toBe(0x4_0000);
}

describe("TLB: what a write, a fault and a new right need", () => {
  it("a page cached by a read with D clear is walked again for a write, which sets D", () => {
    const machine = machineWith();
    machine.setEntry(leafAt(ROOT, 0), 0x4_0007n);
    machine.access(0);
    expect(machine.entry(leafAt(ROOT, 0))).toBe(0x4_0027n);
    machine.access(0, ACCESS_WRITE);
    expect(machine.entry(leafAt(ROOT, 0))).toBe(0x4_0067n);
  });

  it("a right that was added, and a page that was not there, need no flush", () => {
    const machine = machineWith();
    expect(machine.access(0).at).toBe(-1);
    machine.setEntry(leafAt(ROOT, 0), 0x4_0005n);
    expect(machine.access(0).at).toBe(0x4_0000);
    expect(machine.access(0, ACCESS_WRITE)).toMatchObject({ at: -1, errorCode: 0b011 });
    machine.setEntry(leafAt(ROOT, 0), 0x4_0007n);
    expect(machine.access(0, ACCESS_WRITE).at).toBe(0x4_0000);
  });

  it("a right added high up needs none either, though the directory was cached", () => {
    const machine = machineWith();
    machine.setEntry(ROOT + 0x2000, BigInt(ROOT + 0x3000) | 0x25n);
    for (const page of [0, 1]) machine.setEntry(leafAt(ROOT, page), 0x4_0067n);
    machine.access(0);
    machine.access(0x1000);
    machine.setEntry(ROOT + 0x2000, BigInt(ROOT + 0x3000) | 0x27n);
    expect(machine.access(0x1000, ACCESS_WRITE).at).toBe(0x4_0000);
  });

  it("a fault drops what is cached of its address for every kind of access", () => {
    const machine = machineWith();
    cacheThenMove(machine, ROOT, 0, 5n);
    expect(machine.access(0, ACCESS_WRITE).at).toBe(-1);
    expect(machine.access(0).at).toBe(0x5_0000);
  });

  it("RFLAGS.AC and implicit accesses are told apart under SMAP, whatever is cached", () => {
    const machine = machineWith(CR4_PAE | CR4_SMAP);
    machine.setEntry(leafAt(ROOT, 0), 0x4_0067n);
    for (let n = 0; n < 3; n++) {
      expect(machine.access(0, ACCESS_AC).at).toBe(0x4_0000);
      expect(machine.access(0, ACCESS_USER).at).toBe(0x4_0000);
      expect(machine.access(0, 0).errorCode).toBe(1);
      expect(machine.access(0, ACCESS_USER | ACCESS_IMPLICIT | ACCESS_AC).errorCode).toBe(1);
    }
  });

  it("PKRU counts from the next access on, without any flush", () => {
    const machine = machineWith(CR4_PAE | CR4_PKE);
    machine.setEntry(leafAt(ROOT, 0), 0x4_0067n | (3n << 59n));
    for (const pkru of [0, 1 << 6, 0, 1 << 6]) {
      machine.state.pkru = pkru;
      expect(machine.access(0, ACCESS_USER).errorCode).toBe(pkru === 0 ? 0 : 0b100101);
    }
    machine.state.pkru = 2 << 6;
    expect(machine.access(0, ACCESS_USER).at).toBe(0x4_0000);
    expect(machine.access(0, ACCESS_USER | ACCESS_WRITE).errorCode).toBe(0b100111);
  });
});

describe("TLB: INVLPG", () => {
  it("drops the page, global or not, for every kind of access", () => {
    for (const flags of [0x7n, 0x107n]) {
      const machine = machineWith();
      cacheThenMove(machine, ROOT, 3, flags);
      machine.engine.invalidatePage(0, 0x3abc);
      expect(machine.access(0x3000).at).toBe(0x5_0000);
    }
  });

  it("drops the cached directories of the address space", () => {
    const machine = machineWith();
    for (const page of [0, 1]) machine.setEntry(leafAt(ROOT, page), 0x4_0067n);
    for (const page of [0, 1]) machine.setEntry(leafAt(OTHER, page), 0x5_0067n);
    machine.access(0);
    machine.access(0);
    machine.setEntry(ROOT + 0x2000, BigInt(OTHER + 0x3000) | 0x27n);
    machine.engine.invalidatePage(0, 0x1ff_f000);
    expect(machine.access(0x1000).at).toBe(0x5_0000);
  });

  it("shadow paging 1.4/24: in a large page, drops all of the page", () => {
    const machine = machineWith();
    machine.setEntry(ROOT + 0x2000 + 8, 0xe7n);
    expect([machine.access(0x20_0000).at, machine.access(0x29_0123).at]).toEqual([0, 0x9_0123]);
    machine.setEntry(ROOT + 0x2000 + 8, 0n);
    expect(machine.access(0x29_0123).at, "cached").toBe(0x9_0123);
    machine.engine.invalidatePage(0, 0x20_5000);
    expect(machine.access(0x29_0123).at).toBe(-1);
    expect(machine.access(0x20_0000).at).toBe(-1);
  });

  it("in a page of 1 GiB too", () => {
    const machine = machineWith();
    machine.setEntry(ROOT + 0x1000 + 8, 0xe7n);
    expect(machine.access(0x4003_0123).at).toBe(0x3_0123);
    machine.setEntry(ROOT + 0x1000 + 8, 0n);
    expect(machine.access(0x4003_0123).at, "cached").toBe(0x3_0123);
    machine.engine.invalidatePage(0, 0x5000_0000);
    expect(machine.access(0x4003_0123).at).toBe(-1);
  });
});

describe("TLB: loading control registers", () => {
  it.each([
    ["for the first time", 0n],
    ["not for the first time", 0x20n],
  ])(
    "CR3 without PCIDs drops what is not global, also when it is loaded with what it holds; pages used %s",
    (_, accessed) => {
      const machine = machineWith();
      machine.setEntry(leafAt(ROOT, 9), 0x6_0007n);
      machine.access(0x9000); // the upper entries are accessed from here on
      cacheThenMove(machine, ROOT, 0, 7n | accessed);
      cacheThenMove(machine, ROOT, 1, 0x107n | accessed);
      machine.load({});
      expect(machine.access(0).at).toBe(0x5_0000);
      expect(machine.access(0x1000).at, "global").toBe(0x4_0000);
      machine.load({ cr4: CR4_PAE });
      expect(machine.access(0x1000).at).toBe(0x5_0000);
    },
  );

  it("CR3 with PCIDs drops the new space alone; with bit 63, nothing", () => {
    const machine = machineWith(PCIDS);
    cacheThenMove(machine, ROOT, 0);
    machine.load({ cr3: OTHER + 5 });
    cacheThenMove(machine, OTHER, 1);
    machine.load({ cr3: ROOT }, true);
    expect(machine.access(0).at, "kept").toBe(0x4_0000);
    machine.load({ cr3: OTHER + 5 }, true);
    expect(machine.access(0x1000).at, "kept").toBe(0x4_0000);
    machine.load({ cr3: OTHER + 5 });
    expect(machine.access(0x1000).at).toBe(0x5_0000);
    machine.load({ cr3: ROOT }, true);
    expect(machine.access(0).at, "kept").toBe(0x4_0000);
  });

  it("two spaces that use the same address are told apart", () => {
    const machine = machineWith(PCIDS);
    machine.setEntry(leafAt(ROOT, 0), 0x4_0007n);
    machine.setEntry(leafAt(OTHER, 0), 0x5_0007n);
    for (let n = 0; n < 4; n++) {
      machine.load({ cr3: n % 2 === 0 ? ROOT : OTHER + 5 }, true);
      expect(machine.access(0).at).toBe(n % 2 === 0 ? 0x4_0000 : 0x5_0000);
    }
  });

  it("a global page serves every address space", () => {
    const machine = machineWith(PCIDS);
    cacheThenMove(machine, ROOT, 0, 0x107n);
    machine.load({ cr3: OTHER + 1 });
    expect(machine.access(0).at).toBe(0x4_0000);
    machine.engine.invalidatePage(0, 0);
    expect(machine.access(0).at).toBe(-1);
  });

  it.each([
    ["CR4.PGE", { cr4: CR4_PAE | CR4_PCIDE }],
    ["CR4.PCIDE", { cr4: CR4_PAE | CR4_PGE }],
    ["CR0.PG", { cr0: 1 }],
  ])("%s cleared drops everything, of all spaces", (_, change) => {
    const machine = machineWith(PCIDS);
    cacheThenMove(machine, ROOT, 0);
    cacheThenMove(machine, ROOT, 1, 0x107n);
    const { cr0, cr4 } = machine.state;
    machine.load({ cr3: OTHER + 7 }, true);
    machine.load(change);
    machine.load({ cr0: cr0 | CR0_PG, cr4 });
    machine.load({ cr3: ROOT }, true);
    expect([machine.access(0).at, machine.access(0x1000).at]).toEqual([0x5_0000, 0x5_0000]);
  });

  it.each([
    ["slots", 4094],
    ["directories", 131_070],
  ])("tags of %s that come again, after %i, bring nothing back", (_, tags) => {
    const machine = machineWith();
    const regions = Array.from({ length: 24 }, (_, region) => region);
    const directory = (region: number) => ROOT + 0x2000 + region * 8;
    const table = (region: number, generation: number) => 0x5_0000 + (2 * region + generation) * 4096;
    for (const region of regions) {
      for (const page of [0, 8]) machine.setEntry(table(region, 0) + page, 0x4_0067n);
      for (const page of [0, 8]) machine.setEntry(table(region, 1) + page, 0x4_1067n);
      machine.setEntry(directory(region), BigInt(table(region, 0)) | 0x67n);
    }
    machine.access(0); // the upper entries are accessed from here on
    for (const region of regions) expect(machine.access(region * 0x20_0000).at).toBe(0x4_0000);
    for (const region of regions) machine.setEntry(directory(region), BigInt(table(region, 1)) | 0x67n);
    for (let n = 0; n < tags - regions.length / 2; n++) machine.engine.invalidatePcid(1, 0, 0, 0);
    for (const region of regions) {
      machine.engine.invalidatePcid(1, 0, 0, 0);
      expect(machine.access(region * 0x20_0000).at).toBe(0x4_1000);
      expect(machine.access(region * 0x20_0000 + 0x1000).at).toBe(0x4_1000);
    }
  });
});

describe("TLB: INVPCID", () => {
  function cached() {
    const machine = machineWith(PCIDS);
    cacheThenMove(machine, ROOT, 0);
    cacheThenMove(machine, ROOT, 1, 0x107n);
    machine.load({ cr3: OTHER + 9 });
    cacheThenMove(machine, OTHER, 2);
    cacheThenMove(machine, OTHER, 3);
    return machine;
  }
  /** What is still as it was cached: pages 2 and 3 of the other space, 0 of the first, and the global one. */
  function kept(machine: EngineMachine) {
    const is = (page: number) => machine.access(page * 4096).at === 0x4_0000;
    const other = [is(2), is(3)];
    machine.load({ cr3: ROOT }, true);
    return [...other, is(0), is(1)];
  }

  it("type 0 drops an address of the named space", () => {
    const machine = cached();
    machine.engine.invalidatePcid(0, 9, 0, 0x3000);
    expect(kept(machine)).toEqual([true, false, true, true]);
  });

  it("type 1 drops the named space, whichever is active", () => {
    const machine = cached();
    machine.engine.invalidatePcid(1, 0, 0, 0);
    expect(kept(machine)).toEqual([true, true, false, true]);
    const active = cached();
    active.engine.invalidatePcid(1, 9, 0, 0);
    expect(kept(active)).toEqual([false, false, true, true]);
  });

  it("type 2 drops everything, type 3 all but what is global", () => {
    const all = cached();
    all.engine.invalidatePcid(2, 0, 0, 0);
    expect(kept(all)).toEqual([false, false, false, false]);
    const local = cached();
    local.engine.invalidatePcid(3, 0, 0, 0);
    expect(kept(local)).toEqual([false, false, false, true]);
  });
});

describe("TLB: addresses", () => {
  it("one that is not canonical never hits, whatever its lower 48 bits have cached", () => {
    const machine = machineWith();
    machine.setEntry(leafAt(ROOT, 0), 0x4_0007n);
    machine.access(0);
    expect(machine.access(1n << 48n)).toMatchObject({ at: -1, refusal: 2 });
    expect(machine.access(0).at).toBe(0x4_0000);
  });

  it("with five levels, addresses that differ above bit 47 are told apart", () => {
    const machine = machineWith();
    const top = 0x3_0000;
    machine.setEntry(top, BigInt(ROOT) | 7n);
    machine.setEntry(top + 8, BigInt(OTHER) | 7n);
    machine.setEntry(leafAt(ROOT, 0), 0x4_0007n);
    machine.setEntry(leafAt(OTHER, 0), 0x5_0007n);
    machine.load({ cr3: top, cr4: CR4_PAE | CR4_LA57 });
    for (let n = 0; n < 3; n++) {
      expect(machine.access(0).at).toBe(0x4_0000);
      expect(machine.access(1n << 48n).at).toBe(0x5_0000);
      expect(machine.access(1n << 57n).refusal).toBe(2);
    }
  });

  it("a page table for which the partition has no memory is the map's refusal, at every level", () => {
    for (const level of [0, 1, 2, 3]) {
      const machine = machineWith();
      // Where a walk that missed the hole would go on: the host's first frame, which is this guest's last.
      for (const index of [0, 1]) machine.setEntry(255 * 4096 + index * 8, BigInt(255 * 4096) | 0x67n);
      machine.setEntry(leafAt(ROOT, 1), 0x4_0067n);
      for (const table of [ROOT, ROOT + 0x1000, ROOT + 0x2000]) machine.setEntry(table, machine.entry(table) | 0x67n);
      machine.map[ROOT / 4096 + level] = 0;
      machine.engine.guestMapChanged(ROOT / 4096 + level, 1);
      expect(machine.access(0x1000)).toMatchObject({ at: -1, refusal: 3 });
      expect(machine.engine.guestPhysicalAddress).toBe(ROOT + level * 4096 + (level === 3 ? 8 : 0));
    }
  });

  it("a change of the partition's map is seen at once", () => {
    const machine = machineWith();
    machine.setEntry(leafAt(ROOT, 0), 0x4_0067n);
    expect(machine.access(0, ACCESS_WRITE).at).toBe(0x4_0000);
    machine.map[0x40] = machine.map[0x40]! & ~2;
    machine.engine.guestMapChanged(0x40, 1);
    expect(machine.access(0, ACCESS_WRITE).refusal).toBe(3);
    expect(machine.engine.guestPhysicalAddress).toBe(0x4_0000);
    expect(machine.access(0).at).toBe(0x4_0000);
  });
});
