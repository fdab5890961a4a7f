import { describe, expect, it } from "vitest";
import {
  CR0_WP,
  CR4_PAE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_NXE,
  PageWalker,
  type TableMemory,
} from "../../src/paging/index.ts";
import { buildTables, EngineMachine, leafAt, type Outcome } from "./engine-machine.ts";
import { anyAccess, anyAddress, anyControl, anyTables, generator, halves, PAGES } from "./random-tables.ts";

/** The same tables, walked by nothing but the page walker: what the common walk and the map may not change. */
function plainWalk(machine: EngineMachine, high: number, low: number, access: number): Outcome {
  const tables: TableMemory = {
    readWord: (address) => Number(BigInt.asIntN(32, machine.entry(address & ~7) >> (address % 8 === 0 ? 0n : 32n))),
    writeWord: (address, value) => {
      machine.setEntry(address, (machine.entry(address) & ~0xffff_ffffn) | BigInt(value >>> 0));
    },
  };
  const walker = new PageWalker(tables, { maxPhysicalAddressBits: 40, setFlags: true });
  if (walker.walk(machine.state, high, low, access)) return { at: walker.physicalAddress, refusal: 0, errorCode: 0 };
  return { at: -1, refusal: walker.fault, errorCode: walker.errorCode };
}

describe("the walk engine and the page walker agree", () => {
  it.each([1, 2, 3, 4])("on random tables, rights and addresses, flags included (seed %i)", (seed) => {
    const below = generator(seed * 7919);
    const machine = new EngineMachine("walk", PAGES);
    const twin = new EngineMachine("walk", PAGES);
    let permitted = 0;
    for (let round = 0; round < 250; round++) {
      anyTables(machine, below);
      const control = { ...anyControl(below), cr3: (1 + below(10)) * 4096 };
      machine.load(control);
      twin.load(control);
      for (let n = 0; n < 25; n++) {
        twin.words.set(machine.words);
        const linear = anyAddress(below);
        const access = anyAccess(below);
        const expected = plainWalk(twin, ...halves(linear), access);
        // Beyond the 24 pages there is no memory: what the walker reads as absent there, the map refuses.
        const got = machine.access(linear, access);
        if (got.refusal === 3) {
          machine.words.set(twin.words);
          continue;
        }
        expect(got, `${linear.toString(16)} access ${access} round ${round}`).toEqual(expected);
        expect(Buffer.from(machine.words.buffer).equals(Buffer.from(twin.words.buffer))).toBe(true);
        if (got.at >= 0) permitted++;
      }
    }
    expect(permitted).toBeGreaterThan(200);
  });
});

/** Address spaces of the machines below: tables of their own, 12 linear pages each. */
const SPACES = [
  { root: 0x1_0000, pcid: 0 },
  { root: 0x2_0000, pcid: 1 },
  { root: 0x3_0000, pcid: 0xfff },
];
const PAGES_USED = [0, 1, 2, 3, 254, 255];

function twoMachines(pcide: boolean) {
  const machines = [new EngineMachine("walk"), new EngineMachine("tlb")] as const;
  for (const machine of machines) {
    for (const { root } of SPACES) buildTables(machine, root);
    machine.load({ cr3: SPACES[0]!.root, cr4: CR4_PAE | CR4_PGE | (pcide ? CR4_PCIDE : 0) });
  }
  return machines;
}

function anyLeaf(below: (n: number) => number): bigint {
  const flags = [0x67n, 0x7n, 0x5n, 0x3n, 0x1n, 0x27n, 0x0n, 0x107n, 0x167n, 0x8000_0000_0000_0007n][below(10)]!;
  return (BigInt(64 + below(128)) << 12n) | flags;
}

describe("TLB: with the flushes that the architecture asks for", () => {
  it.each([
    [false, 11],
    [true, 12],
    [true, 13],
  ])(
    "nothing tells it from the walk: results, faults, accessed and dirty flags (PCIDs: %s, seed %i)",
    (pcide, seed) => {
      const below = generator(seed * 104_729);
      const [walk, tlb] = twoMachines(pcide);
      const machines = [walk, tlb];
      let space = 0;
      for (let n = 0; n < 30_000; n++) {
        const page = PAGES_USED[below(PAGES_USED.length)]!;
        const deed = below(20);
        if (deed === 0) {
          space = below(SPACES.length);
          const { root, pcid } = SPACES[space]!;
          const keep = pcide && below(2) === 0;
          for (const machine of machines) machine.load({ cr3: pcide ? root + pcid : root }, keep);
          // A CR3 load leaves global pages, whose leaves differ here from space to space: without PCIDs they go by hand.
          for (const used of PAGES_USED) for (const { engine } of machines) engine.invalidatePage(0, used * 4096);
        } else if (deed <= 3) {
          const leaf = anyLeaf(below);
          for (const machine of machines) {
            machine.setEntry(leafAt(SPACES[space]!.root, page), leaf);
            machine.engine.invalidatePage(0, page * 4096);
          }
        } else if (deed === 4) {
          // A right taken away, or an accessed flag cleared, high up: every page below is concerned.
          const entry = SPACES[space]!.root + below(3) * 0x1000;
          const flags = [7n, 0x27n, 5n, 3n][below(4)]!;
          const type = below(2) === 0 ? 2 : 0;
          for (const machine of machines) {
            machine.setEntry(entry, (machine.entry(entry) & ~0xfffn) | flags);
            if (type === 2) machine.engine.invalidatePcid(2, 0, 0, 0);
            else for (const used of PAGES_USED) machine.engine.invalidatePage(0, used * 4096);
          }
        } else if (deed === 5) {
          const { cr0, efer, cr4 } = walk.state;
          const change = [
            { cr0: cr0 ^ CR0_WP },
            { efer: efer ^ EFER_NXE },
            { cr4: cr4 ^ CR4_SMEP },
            { cr4: cr4 ^ CR4_SMAP },
          ];
          const chosen = change[below(4)]!;
          for (const machine of machines) machine.load(chosen);
        } else {
          const access = anyAccess(below);
          const linear = page * 4096 + below(4096);
          expect(tlb.access(linear, access), `step ${n}`).toEqual(walk.access(linear, access));
        }
      }
      expect(Buffer.compare(Buffer.from(tlb.words.buffer), Buffer.from(walk.words.buffer))).toBe(0);
    },
  );
});

describe("TLB: without a flush", () => {
  it.each([21, 22])("a translation is one that stood since the last flush; a refusal is of now (seed %i)", (seed) => {
    const below = generator(seed * 15_485_863);
    const tlb = new EngineMachine("tlb");
    const now = new EngineMachine("walk");
    const root = 0x1_0000;
    for (const machine of [tlb, now]) {
      buildTables(machine, root, 0x27n);
      machine.load({ cr3: root });
    }
    /** Of each page, the leaves that stood since its last flush. */
    const since = new Map(PAGES_USED.map((page) => [page, [0n]]));
    let stale = 0;
    for (let n = 0; n < 30_000; n++) {
      const page = PAGES_USED[below(PAGES_USED.length)]!;
      const leaf = leafAt(root, page);
      const deed = below(12);
      if (deed === 0) {
        tlb.engine.invalidatePage(0, page * 4096);
        since.set(page, [tlb.entry(leaf)]);
      } else if (deed === 1) {
        tlb.engine.invalidatePcid(2, 0, 0, 0);
        for (const used of PAGES_USED) since.set(used, [tlb.entry(leafAt(root, used))]);
      } else if (deed <= 4) {
        const value = anyLeaf(below);
        tlb.setEntry(leaf, value);
        since.get(page)!.push(value);
      } else {
        const access = anyAccess(below);
        now.words.set(tlb.words);
        const current = now.access(page * 4096, access);
        const got = tlb.access(page * 4096, access);
        if (got.at < 0) {
          expect(got).toEqual(current);
          continue;
        }
        if (got.at === current.at) continue;
        stale++;
        const possible = since.get(page)!.map((value) => {
          now.setEntry(leaf, value);
          return now.access(page * 4096, access).at;
        });
        expect(possible, `step ${n}`).toContain(got.at);
      }
    }
    // Were it never stale, there would be no TLB.
    expect(stale).toBeGreaterThan(100);
  });
});
