import { describe, expect, it } from "vitest";
import { MAX_PHYSICAL_ADDRESS_BITS } from "../../src/hypervisor/frame-map.ts";
import { WalkEngine } from "../../src/hypervisor/translation/walk-engine.ts";
import { ACCESS_WRITE, CR0_WP, CR4_PKE, CR4_SMAP, CR4_SMEP, EFER_NXE } from "../../src/paging/index.ts";
import { A, D, leafAt, NX, P, PS, pte, shadowPartition, tableChain, U, W } from "./shadow-guest.ts";

const PAGE = 4096;
const ACCESSES = 32;
const RIGHTS = [0n, W, U, W | U, NX, W | NX, U | NX, W | U | NX];

/** What an engine answers to every kind of access. */
function answers(
  engine: { translate(high: number, low: number, access: number): number; refusal: number; errorCode: number },
  linear: number,
) {
  return Array.from({ length: ACCESSES }, (_, access) => {
    const at = engine.translate(0, linear, access);
    return at >= 0 ? at : -(engine.refusal * 256 + engine.errorCode);
  });
}

describe("shadow rights: every access under every control register is what the walk says, filled, cached, and after each change", () => {
  it("32 states x 64 pairs of rights x 4 key rights x 32 accesses, twice, with no flush between", () => {
    const { machine, processor } = shadowPartition();
    const { state, engine } = processor;
    const walk = new WalkEngine({
      frames: machine,
      state,
      maxPhysicalAddressBits: MAX_PHYSICAL_ADDRESS_BITS,
      setFlags: true,
    });
    // Eight directory entries and eight page-table entries, each pair a page; all page tables are the same one.
    for (const [index, rights] of RIGHTS.entries()) {
      machine.setEntry(3 * PAGE + index * 8, pte(4, P | A | rights));
      machine.setEntry(4 * PAGE + index * 8, pte(0x100 + index, P | A | D | rights | (1n << 59n)));
    }
    for (let control = 0; control < 32; control++) {
      processor.set({
        cr0: (state.cr0 & ~CR0_WP) | (control & 1 ? CR0_WP : 0),
        cr4:
          (state.cr4 & ~(CR4_SMEP | CR4_SMAP | CR4_PKE)) |
          (control & 2 ? CR4_SMEP : 0) |
          (control & 4 ? CR4_SMAP : 0) |
          (control & 8 ? CR4_PKE : 0),
        efer: (state.efer & ~EFER_NXE) | (control & 16 ? EFER_NXE : 0),
      });
      walk.controlChanged();
      for (let pkru = 0; pkru < 16; pkru += 4) {
        state.pkru = pkru;
        for (let pair = 0; pair < 64; pair++) {
          const linear = (pair >> 3) * 2 ** 21 + (pair & 7) * PAGE;
          const truth = answers(walk, linear).join();
          for (const time of ["filled", "cached"])
            if (answers(engine, linear).join() !== truth)
              expect({ time, control, pkru, pair, got: answers(engine, linear) }).toBe(truth);
        }
      }
    }
    expect(processor.count("pageTableAllocations")).toBeGreaterThan(8);
  });

  it("one guest table under different rights has a shadow page for each, and under the same rights one", () => {
    const { machine, processor, tables } = shadowPartition();
    machine.setEntry(leafAt(1, 0), pte(0x100, P | W | U | A | D));
    for (const [index, flags] of [P | U, P | W | U, P | W].entries())
      machine.setEntry(3 * PAGE + (index + 1) * 8, pte(4, flags | A));
    const at = (index: number, access = 0) => processor.at(index * 2 ** 21, access);
    at(0);
    const before = tables.pool.used;
    at(2);
    expect(tables.pool.used).toBe(before);
    expect(at(1)).toBe(at(0));
    expect(tables.pool.used).toBe(before + 1);
    expect(at(1, ACCESS_WRITE)).toBe(-1);
    expect(at(0, ACCESS_WRITE)).toBeGreaterThan(0);
    at(3);
    expect(tables.pool.used).toBe(before + 2);
  });
});

describe("shadow large pages: one entry when frames and rights allow it, pieces otherwise, 1 GiB included", () => {
  it.each([2, 3])("level %i", (level) => {
    for (const flaw of ["none", "elsewhere", "rights", "hole"]) {
      const { machine, processor } = shadowPartition({ pages: 4096 });
      tableChain(machine, 40);
      const base = level === 3 ? 0 : 1024;
      machine.setEntry(level === 3 ? 2 * PAGE + 8 : 3 * PAGE + 8, pte(base, P | W | U | PS));
      const linear = (page: number) => (level === 3 ? 2 ** 30 : 2 ** 21) + (page - base) * PAGE;
      if (flaw === "elsewhere") machine.map[1030] = machine.map[4000]!;
      if (flaw === "rights") machine.map[1030]! &= ~2;
      if (flaw === "hole") machine.map[1030] = 0;
      for (const page of [1024, 1029, 1031, 1535])
        expect(processor.at(linear(page) + 5)).toBe(machine.spa(page * PAGE + 5));
      expect(processor.count("largePageTlbFills")).toBe(flaw === "none" ? 1 : 0);
      expect(processor.at(linear(1030))).toBe(flaw === "hole" ? -1 : machine.spa(1030 * PAGE));
      expect(processor.at(linear(1030), ACCESS_WRITE)).toBe(
        flaw === "hole" || flaw === "rights" ? -1 : machine.spa(1030 * PAGE),
      );
      processor.engine.synchronizeFlags();
      // Also where the partition's map refuses the write: the guest's tables allowed it.
      expect(machine.entry(level === 3 ? 2 * PAGE + 8 : 3 * PAGE + 8) & (A | D)).toBe(A | D);
    }
  });
});

describe("lazy flags write a guest's table seldom", () => {
  it("sequential passes of reads and writes, each pass after a flush: nothing is written, and one word a page at a look", () => {
    const { machine, processor, tables } = shadowPartition();
    const PAGES = 256;
    const PASSES = 8;
    for (let page = 0; page < PAGES; page++) machine.setEntry(leafAt(1, page), pte(0x100 + page, P | W | U));
    let accesses = 0;
    for (let pass = 0; pass < PASSES; pass++) {
      for (let page = 0; page < PAGES; page++)
        for (const access of [0, ACCESS_WRITE]) {
          processor.at(page * PAGE, access);
          accesses++;
        }
      processor.loadRoot(1);
    }
    expect(tables.counters().guestTableFlagWrites).toBe(0);
    processor.engine.synchronizeFlags();
    const words = PAGES + 3;
    expect(tables.counters().guestTableFlagWrites).toBe(words);
    // A walker that sets flags as it goes sets A at the read and D at the write: two writes a page.
    expect(words).toBeLessThan((2 * PAGES) / 1.9);
    expect(words * 8).toBeLessThan(accesses);
  });
});
