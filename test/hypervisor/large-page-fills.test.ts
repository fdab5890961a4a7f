import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAP_ALL, MAP_EXECUTE, MAP_READ } from "../../src/hypervisor/frame-map.ts";
import { GuestPhysicalMemory } from "../../src/hypervisor/guest-memory.ts";
import { HostMemory } from "../../src/hypervisor/host-memory.ts";
import { LargePages } from "../../src/hypervisor/large-pages/index.ts";
import { ShadowEngine, ShadowPageTables } from "../../src/hypervisor/translation/shadow/index.ts";
import {
  ACCESS_FETCH,
  ACCESS_USER,
  ACCESS_WRITE,
  CR0_PE,
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  ENTRY_ACCESSED,
  ENTRY_DIRTY,
  ENTRY_LARGE,
} from "../../src/paging/index.ts";

const READ = 0;
const CHUNK = 512;
const PAGES = 4 * CHUNK;
/** Guest physical: the first region holds the tables, the other three are data. */
const DIRECTORY = 0x3000;
const TABLES = 0x4000;
const PRESENT = 7;

/** A guest of 8 MiB that maps itself at linear 0, by 2 MiB or by 4 KiB, on shadow page tables with or without promotion. */
class Machine {
  readonly memory = new GuestPhysicalMemory(new HostMemory(PAGES * 4096), PAGES * 4096);
  readonly large = new LargePages(this.memory.map);
  readonly engine: ShadowEngine;

  constructor(promotion: boolean) {
    const tables = new ShadowPageTables({
      frames: this.memory,
      processors: 1,
      largeBacking: (_, firstPage) => (promotion ? this.large.backing(firstPage) : 0),
    });
    const state = {
      cr0: CR0_PE | CR0_WP | CR0_PG,
      cr3: 0x1000,
      cr4: CR4_PAE,
      efer: EFER_LME | EFER_LMA | EFER_NXE,
      pkru: 0,
    };
    this.memory.writeU64(0x1000, 0x2000n | 7n);
    this.memory.writeU64(0x2000, BigInt(DIRECTORY) | 7n);
    for (let page = 0; page < PAGES; page++) this.memory.writeU64(TABLES + page * 8, BigInt(page * 4096 + PRESENT));
    for (let region = 0; region < 4; region++) this.mapLarge(region, PRESENT);
    this.engine = new ShadowEngine({ tables, processor: 0, state });
    this.memory.onMapChange((firstPage, pageCount) => {
      this.large.mapChanged(firstPage, pageCount);
      this.engine.guestMapChanged(firstPage, pageCount);
    });
  }

  mapLarge(region: number, flags: number): void {
    this.memory.writeU64(DIRECTORY + region * 8, BigInt(region * 2 ** 21 + (flags | ENTRY_LARGE)));
  }

  mapSmall(region: number, flags: number): void {
    this.memory.writeU64(DIRECTORY + region * 8, BigInt(TABLES + region * 4096 + flags));
  }

  /** Host byte address, or why there is none. */
  touch(page: number, access = READ): number | string {
    const address = this.engine.translate(0, page * 4096, access);
    return address >= 0 ? address : `${this.engine.refusal} ${this.engine.errorCode}`;
  }

  expected(page: number): number {
    return this.memory.hostFrame(page)! * 4096;
  }

  /** The guest's flags of a region's large page, as it would see them. */
  flags(region: number): number {
    this.engine.synchronizeFlags();
    return Number(this.memory.readU64(DIRECTORY + region * 8)) & (ENTRY_ACCESSED | ENTRY_DIRTY);
  }

  get fills() {
    const { largePageTlbFills, smallPageTlbFills } = this.engine.counters();
    return { large: largePageTlbFills!, small: smallPageTlbFills! };
  }

  touchAll(region: number, access = READ): void {
    for (let page = region * CHUNK; page < (region + 1) * CHUNK; page++)
      expect(this.touch(page, access)).toBe(this.expected(page));
  }
}

describe("large pages with shadow page tables", () => {
  it("4.3/1: one fill for 512 pages", () => {
    const machine = new Machine(true);
    machine.touchAll(1);
    expect(machine.fills).toEqual({ large: 1, small: 0 });
  });

  it.each<[string, (machine: Machine) => void]>([
    ["4.3/2: the guest maps 4 KiB pages", (machine) => machine.mapSmall(1, PRESENT)],
    [
      "4.3/3: one backing page is elsewhere",
      ({ memory }) => {
        memory.unmap(700, 1);
        memory.mapFrame(700, memory.hostFrame(1200)!, MAP_ALL);
      },
    ],
    ["4.3/4: one page has other rights", ({ memory }) => memory.protect(700, 1, MAP_READ | MAP_EXECUTE)],
    [
      "4.3/5: the host frames are not aligned",
      ({ memory }) => {
        memory.unmap(512, 512);
        for (let page = 512; page < 1024; page++)
          memory.mapFrame(page, memory.hostFrame(1024)! + 1 + page - 512, MAP_ALL);
      },
    ],
  ])("small fills only, and right ones: %s", (_, change) => {
    const machine = new Machine(true);
    change(machine);
    machine.touchAll(1);
    expect(machine.fills.large).toBe(0);
    expect(machine.fills.small).toBeGreaterThanOrEqual(CHUNK);
  });

  it("4.3/8 and 4.3/9: one page becomes read-only: the others keep working, D stays, and joining again takes one fill", () => {
    const machine = new Machine(true);
    machine.touchAll(1, ACCESS_WRITE);
    machine.memory.protect(700, 1, MAP_READ | MAP_EXECUTE);
    expect(machine.flags(1)).toBe(ENTRY_ACCESSED | ENTRY_DIRTY);
    expect(machine.touch(700, ACCESS_WRITE)).toMatch(/^3 /);
    machine.touchAll(1);
    for (let page = 512; page < 1024; page++)
      if (page !== 700) expect(machine.touch(page, ACCESS_WRITE)).toBe(machine.expected(page));
    expect(machine.fills.large).toBe(1);

    machine.memory.protect(700, 1, MAP_ALL);
    expect(machine.fills.large).toBe(1);
    machine.touch(700, ACCESS_WRITE);
    const { small } = machine.fills;
    machine.touchAll(1, ACCESS_WRITE);
    expect(machine.fills).toEqual({ large: 2, small });
  });

  it("4.3/10: INVLPG in the middle takes the whole 2 MiB, whether the host maps it large or in pieces", () => {
    for (const promotion of [true, false]) {
      const machine = new Machine(promotion);
      machine.touchAll(1);
      machine.memory.writeU64(DIRECTORY + 8, 0n);
      machine.engine.invalidatePage(0, 777 * 4096);
      for (let page = 512; page < 1024; page++) expect(machine.touch(page)).toBe("1 0");
    }
  });

  it("4.3/11 and 4.3/12: with promotion as without, whatever is touched, edited, flushed and remapped; fills add up", () => {
    const region = fc.integer({ min: 1, max: 3 });
    const page = fc.tuple(region, fc.nat(CHUNK - 1)).map(([of, piece]) => of * CHUNK + piece);
    const flags = fc.constantFrom(PRESENT, PRESENT | ENTRY_ACCESSED | ENTRY_DIRTY, 5, 3, 0);
    const access = fc.constantFrom(READ, READ, ACCESS_WRITE, ACCESS_WRITE | ACCESS_USER, ACCESS_USER, ACCESS_FETCH);
    const touch = fc.record({ kind: fc.constant("touch" as const), page, access });
    const step = fc.oneof(
      { weight: 6, arbitrary: touch },
      fc.record({ kind: fc.constantFrom("large" as const, "small" as const), region, flags }),
      fc.record({
        kind: fc.constant("protect" as const),
        page,
        count: fc.constantFrom(1, 1, CHUNK),
        rights: fc.constantFrom(MAP_ALL, MAP_ALL, MAP_READ, MAP_READ | MAP_EXECUTE),
      }),
      fc.record({ kind: fc.constant("hole" as const), page }),
      fc.record({ kind: fc.constant("lend" as const), page, frame: fc.nat(PAGES - 1) }),
    );
    let [promoted, split] = [0, 0];
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
        const machines = [new Machine(true), new Machine(false)] as const;
        for (const step of steps) {
          const [on, off] = machines.map((machine) => {
            const { memory, engine } = machine;
            if (step.kind === "touch") return machine.touch(step.page, step.access);
            if (step.kind === "protect") memory.protect(step.page & ~(step.count - 1), step.count, step.rights);
            else if (step.kind === "hole") memory.unmap(step.page, 1);
            else if (step.kind === "lend") {
              if (memory.hostFrame(step.page) === null) memory.mapFrame(step.page, step.frame, MAP_ALL);
            } else {
              // The tables are written by the host's hand: flags that wait are written first.
              engine.synchronizeFlags();
              if (step.kind === "large") machine.mapLarge(step.region, step.flags);
              else machine.mapSmall(step.region, step.flags);
              engine.invalidatePage(0, step.region * 2 ** 21 + 0x1f_f000);
            }
            return null;
          });
          expect(on).toBe(off);
        }
        for (let of = 1; of < 4; of++) expect(machines[0].flags(of)).toBe(machines[1].flags(of));
        for (const machine of machines) {
          const { large, small } = machine.large.sizes();
          let mapped = 0;
          for (const { pageCount } of machine.memory.runs()) mapped += pageCount;
          expect(large * CHUNK + small).toBe(mapped);
        }
        for (const { engine, fills } of machines) {
          const { pageFaultIntercepts, reflectedGuestPageFaults, populatedAhead } = engine.counters();
          const hidden = pageFaultIntercepts! - reflectedGuestPageFaults!;
          expect(fills.large + fills.small).toBe(hidden + populatedAhead!);
        }
        expect(machines[1].fills.large).toBe(0);
        promoted += machines[0].fills.large;
        split += machines[0].fills.small;
      }),
      { numRuns: 40 },
    );
    expect(promoted).toBeGreaterThan(100);
    expect(split).toBeGreaterThan(300);
  });
});
