import { describe, expect, it } from "vitest";
import { MAX_PHYSICAL_ADDRESS_BITS } from "../../src/hypervisor/frame-map.ts";
import { shadowCounters } from "../../src/hypervisor/translation/shadow/counters.ts";
import {
  FLUSH_ALL_ADDRESS_SPACES,
  FLUSH_ALL_PROCESSORS,
  FLUSH_NON_GLOBAL_ONLY,
  FlushCalls,
  isAddressSpace,
} from "../../src/hypervisor/translation/shadow/index.ts";
import { ACCESS_WRITE } from "../../src/paging/index.ts";
import { A, D, G, leafAt, P, PS, pte, shadowPartition, tableChain, U, W } from "./shadow-guest.ts";

const PAGE = 4096;
const TOUCHED = P | W | U | A | D;
/** Topmost tables of two address spaces. */
const ONE = 1;
const TWO = 11;

/** Two address spaces with page 5 mapped to different frames. */
function twoSpaces(options = {}) {
  const partition = shadowPartition(options);
  const { machine } = partition;
  tableChain(machine, TWO);
  machine.setEntry(leafAt(ONE, 5), pte(0x105, TOUCHED));
  machine.setEntry(leafAt(TWO, 5), pte(0x205, TOUCHED));
  return partition;
}

const fills = (processor: { count(name: string): number }) => processor.count("smallPageTlbFills");

describe("shadow paging 1.4: the tagged virtual TLB", () => {
  it("1.4/1: an address space's shadow tables map linear to system physical addresses", () => {
    const { machine, processor, tables } = twoSpaces();
    expect(processor.at(5 * PAGE + 12)).toBe(machine.spa(0x105 * PAGE + 12));
    expect(machine.spa(0x105 * PAGE)).not.toBe(0x105 * PAGE);
    expect([...tables.spaces].map(({ tag }) => tag)).toEqual([ONE * PAGE]);
  });

  it("1.4/2, 3, 4: what is left is retained, and coming back fills nothing, both ways", () => {
    const { machine, processor, tables } = twoSpaces();
    processor.at(5 * PAGE);
    const [spaceOne] = [...tables.spaces];
    processor.loadRoot(TWO);
    expect(processor.at(5 * PAGE)).toBe(machine.spa(0x205 * PAGE));
    const root = [...spaceOne!.roots.values()][0]!;
    spaceOne!.flushedAt = spaceOne!.waysFlushedAt = 0;
    expect(tables.ways.lookup(spaceOne!, root, 0, 5 * PAGE, shadowCounters())).toBeGreaterThan(0);
    const before = fills(processor);
    for (const [root, frame] of [
      [ONE, 0x105],
      [TWO, 0x205],
      [ONE, 0x105],
    ] as const) {
      processor.loadRoot(root);
      expect(processor.at(5 * PAGE)).toBe(machine.spa(frame * PAGE));
    }
    expect(fills(processor)).toBe(before);
    expect([...tables.spaces]).toContain(spaceOne);
    expect(processor.count("addressSpaceSwitches")).toBe(4);
  });

  it("1.4/3: a table that was changed while its space was away is seen on the way back", () => {
    const { machine, processor } = twoSpaces();
    processor.at(5 * PAGE);
    processor.loadRoot(TWO);
    machine.setEntry(leafAt(ONE, 5), pte(0x333, TOUCHED));
    processor.loadRoot(ONE);
    expect(processor.at(5 * PAGE)).toBe(machine.spa(0x333 * PAGE));
  });

  it("1.4/5: another partition's run leaves this one's shadow tables alone", () => {
    const first = twoSpaces();
    const second = twoSpaces();
    first.processor.at(5 * PAGE);
    second.processor.at(5 * PAGE);
    first.processor.at(5 * PAGE);
    expect(fills(first.processor)).toBe(1);
  });

  it("1.4/6: tags differ as the table pointers do, and are those pointers", () => {
    const { processor, tables } = twoSpaces();
    processor.at(5 * PAGE);
    processor.loadRoot(TWO);
    processor.at(5 * PAGE);
    expect([...tables.spaces].map(({ tag }) => tag)).toEqual([ONE * PAGE, TWO * PAGE]);
  });

  it("1.4/7: with the budget spent, the space left longest ago goes, its flags written first, and nothing translates wrongly", () => {
    const { machine, processor, tables } = shadowPartition({ budgetPages: 16, pages: 4096 });
    const roots = [100, 110, 120, 130, 140, 150];
    for (const root of roots) {
      tableChain(machine, root);
      machine.setEntry(leafAt(root, 7), pte(root + 1000, P | W | U));
    }
    for (const root of roots) {
      processor.loadRoot(root, true);
      expect(processor.at(7 * PAGE, ACCESS_WRITE)).toBe(machine.spa((root + 1000) * PAGE));
    }
    expect(processor.count("addressSpaceEvictions")).toBeGreaterThan(0);
    expect([...tables.spaces].some(({ tag }) => tag === 100 * PAGE)).toBe(false);
    expect([...tables.spaces].some(({ tag }) => tag === 150 * PAGE)).toBe(true);
    expect(machine.entry(leafAt(100, 7)) & (A | D)).toBe(A | D);
    expect(tables.counters().virtualTlbPages).toBeLessThanOrEqual(16);
    for (const root of roots) {
      processor.loadRoot(root, true);
      expect(processor.at(7 * PAGE)).toBe(machine.spa((root + 1000) * PAGE));
    }
  });

  it("1.4/8: the hypercall that switches spaces flushes nothing, and a value with reserved bits is none", () => {
    const { machine, processor } = twoSpaces();
    processor.at(5 * PAGE);
    processor.loadRoot(TWO, true);
    machine.setEntry(leafAt(ONE, 5), pte(0x333, TOUCHED));
    processor.loadRoot(ONE, true);
    expect(processor.at(5 * PAGE)).toBe(machine.spa(0x105 * PAGE));
    processor.loadRoot(ONE);
    expect(processor.at(5 * PAGE)).toBe(machine.spa(0x333 * PAGE));
    expect(isAddressSpace(0x1000n | (1n << BigInt(MAX_PHYSICAL_ADDRESS_BITS)), MAX_PHYSICAL_ADDRESS_BITS)).toBe(false);
    expect(isAddressSpace(0x1fffn, MAX_PHYSICAL_ADDRESS_BITS)).toBe(true);
  });
});

describe("shadow paging 1.4: batched population", () => {
  function run(from: number, pages: number, flags = TOUCHED) {
    const partition = shadowPartition();
    for (let page = from; page < from + pages; page++)
      partition.machine.setEntry(leafAt(ONE, page), pte(0x100 + page, flags));
    return partition;
  }
  const intercepts = (processor: { count(name: string): number }) => processor.count("pageFaultIntercepts");

  it.each([1, 8, 32])("1.4/9: neighbours that were accessed come with the first, up to %i", (batch) => {
    const partition = shadowPartition({ batch });
    const { machine, processor } = partition;
    for (let page = 40; page < 104; page++) machine.setEntry(leafAt(ONE, page), pte(0x100 + page, TOUCHED));
    for (let page = 40; page < 104; page++) expect(processor.at(page * PAGE)).toBe(machine.spa((0x100 + page) * PAGE));
    expect(intercepts(processor)).toBe(64 / batch);
  });

  it("1.4/9: downwards as well", () => {
    const { processor } = run(40, 65);
    for (let page = 104; page >= 40; page--) processor.at(page * PAGE);
    expect(intercepts(processor)).toBe(3);
  });

  it("1.4/9: neighbours that lie scattered in the table count as those that lie side by side do", () => {
    const { machine, processor } = shadowPartition({ batch: 8 });
    const pages = Array.from({ length: 16 }, (_, number) => 10 + number * 31);
    for (const page of pages) machine.setEntry(leafAt(ONE, page), pte(0x100 + page, TOUCHED));
    for (const page of pages.toReversed()) expect(processor.at(page * PAGE)).toBe(machine.spa((0x100 + page) * PAGE));
    expect(intercepts(processor)).toBe(2);
  });

  it("1.4/10, 11: a neighbour that is not present, or not accessed, is not filled, and stays as it is", () => {
    const { machine, processor } = run(40, 8);
    machine.setEntry(leafAt(ONE, 42), 0n);
    machine.setEntry(leafAt(ONE, 43), pte(0x143, P | W | U));
    processor.at(40 * PAGE);
    expect(processor.count("populatedAhead")).toBe(5);
    processor.engine.synchronizeFlags();
    expect([machine.entry(leafAt(ONE, 42)), machine.entry(leafAt(ONE, 43)) & A]).toEqual([0n, 0n]);
    expect(processor.at(42 * PAGE)).toBe(-1);
    expect(processor.at(43 * PAGE)).toBe(machine.spa(0x143 * PAGE));
    processor.engine.synchronizeFlags();
    expect(machine.entry(leafAt(ONE, 43)) & (A | D)).toBe(A);
  });

  it("1.4/12: a neighbour that is clean is filled for reading only; the first write sets its flag", () => {
    const { machine, processor } = run(40, 8, P | W | U | A);
    processor.at(40 * PAGE);
    processor.at(41 * PAGE);
    expect(intercepts(processor)).toBe(1);
    processor.at(41 * PAGE, ACCESS_WRITE);
    expect(intercepts(processor)).toBe(2);
    processor.engine.synchronizeFlags();
    expect([40, 41, 42].map((page) => machine.entry(leafAt(ONE, page)) & D)).toEqual([0n, D, 0n]);
  });

  it("1.4/13: a batch ends with its table", () => {
    const { machine, processor } = run(500, 12);
    machine.setEntry(3 * PAGE + 8, pte(20, TOUCHED));
    for (let page = 0; page < 40; page++) machine.setEntry(20 * PAGE + page * 8, pte(0x300 + page, TOUCHED));
    processor.at(511 * PAGE);
    expect(processor.count("populatedAhead")).toBe(11);
    expect(processor.at(512 * PAGE)).toBe(machine.spa(0x300 * PAGE));
    expect(intercepts(processor)).toBe(2);
  });

  it("1.4/14: a neighbour without memory is passed over in silence", () => {
    const { machine, processor } = run(40, 4);
    machine.map[0x100 + 41] = 0;
    machine.setEntry(leafAt(ONE, 42), pte(0xf_ffff, TOUCHED | (0xfn << 32n)));
    expect(processor.at(40 * PAGE)).toBe(machine.spa(0x128 * PAGE));
    expect(processor.count("populatedAhead")).toBe(1);
    expect(processor.at(41 * PAGE)).toBe(-1);
    expect(processor.engine.refusal).toBe(3);
    expect(processor.engine.guestPhysicalAddress).toBe((0x100 + 41) * PAGE);
  });
});

describe("shadow paging 1.4: lazy flags", () => {
  function clean() {
    const partition = shadowPartition();
    partition.machine.setEntry(leafAt(ONE, 9), pte(0x109, P | W | U));
    return { ...partition, flags: () => partition.machine.entry(leafAt(ONE, 9)) & (A | D) };
  }
  it("1.4/15, 16, 17: a dump shows A after a read, D after a write; two writes are one intercept", () => {
    const { processor, flags } = clean();
    processor.at(9 * PAGE);
    processor.engine.synchronizeFlags();
    expect(flags()).toBe(A);
    const intercepts = processor.count("pageFaultIntercepts");
    processor.at(9 * PAGE, ACCESS_WRITE);
    processor.at(9 * PAGE + 8, ACCESS_WRITE);
    expect(processor.count("pageFaultIntercepts")).toBe(intercepts + 1);
    processor.engine.synchronizeFlags();
    expect(flags()).toBe(A | D);
  });

  it("1.4/17: until then they stand in the shadow entry only, and one word is written for both", () => {
    const { processor, tables, flags } = clean();
    processor.at(9 * PAGE);
    processor.at(9 * PAGE, ACCESS_WRITE);
    expect(flags()).toBe(0n);
    expect(tables.counters().guestTableFlagWrites).toBe(0);
    processor.engine.synchronizeFlags();
    expect(flags()).toBe(A | D);
    expect(tables.counters().guestTableFlagWrites).toBe(4);
  });

  it("1.4/16: a flag that is pending stays so when the page is filled again by another way to its table", () => {
    const { machine, processor, flags } = clean();
    machine.setEntry(3 * PAGE + 8, pte(4, P | W | U));
    processor.at(9 * PAGE, ACCESS_WRITE);
    processor.at(2 ** 21 + 9 * PAGE);
    processor.engine.synchronizeFlags();
    expect(flags()).toBe(A | D);
  });

  it("1.4/18: a dirty flag that the guest clears and flushes comes again with the next write", () => {
    const { machine, processor, flags } = clean();
    processor.at(9 * PAGE, ACCESS_WRITE);
    processor.engine.synchronizeFlags();
    machine.setEntry(leafAt(ONE, 9), pte(0x109, P | W | U | A));
    processor.invalidate(9 * PAGE);
    processor.at(9 * PAGE);
    processor.engine.synchronizeFlags();
    expect(flags()).toBe(A);
    processor.at(9 * PAGE, ACCESS_WRITE);
    processor.engine.synchronizeFlags();
    expect(flags()).toBe(A | D);
  });

  it.each(["before", "after"])(
    "1.4/19: a guest that reads its own table through a mapping made %s the touch sees the flag",
    (when) => {
      const { machine, processor, flags } = clean();
      const table = leafAt(ONE, 0) / PAGE;
      machine.setEntry(leafAt(ONE, 30), pte(table, TOUCHED));
      if (when === "before") processor.at(30 * PAGE);
      processor.at(9 * PAGE, ACCESS_WRITE);
      expect(flags()).toBe(0n);
      expect(processor.at(30 * PAGE + 9 * 8)).toBe(machine.spa(leafAt(ONE, 9)));
      expect(flags()).toBe(A | D);
      expect(processor.count("pageTableAccessIntercepts")).toBe(1);
    },
  );

  it.each(["MOV CR3", "INVLPG"])("1.4/18: flags that the guest clears on every level come again after %s", (how) => {
    const { machine, processor, flags } = clean();
    processor.at(9 * PAGE, ACCESS_WRITE);
    processor.engine.synchronizeFlags();
    for (const at of [PAGE, 2 * PAGE, 3 * PAGE, leafAt(ONE, 9)]) machine.setEntry(at, machine.entry(at) & ~(A | D));
    if (how === "INVLPG") processor.invalidate(9 * PAGE);
    else processor.loadRoot(ONE);
    processor.at(9 * PAGE, ACCESS_WRITE);
    processor.engine.synchronizeFlags();
    expect([PAGE, 2 * PAGE, 3 * PAGE].map((at) => machine.entry(at) & A)).toEqual([A, A, A]);
    expect(flags()).toBe(A | D);
  });

  it("1.4/19: also through a mapping cached before the page became a table, on another processor", () => {
    const { machine, processors, processor, tables } = shadowPartition();
    machine.setEntry(leafAt(ONE, 30), pte(40, TOUCHED));
    const other = processors[1]!;
    other.at(30 * PAGE);
    machine.setEntry(40 * PAGE, pte(0x140, P | W | U));
    machine.setEntry(3 * PAGE + 8, pte(40, TOUCHED));
    processor.at(512 * PAGE);
    expect(machine.entry(40 * PAGE) & A).toBe(0n);
    other.at(30 * PAGE);
    expect(machine.entry(40 * PAGE) & A).toBe(A);
    expect(tables.pool.isTable(40)).toBe(true);
  });

  it("1.4/19: through a large mapping that holds the table", () => {
    const { machine, processor, flags } = clean();
    machine.setEntry(3 * PAGE + 16, pte(0, TOUCHED | PS));
    const linear = 2 * 2 ** 21 + leafAt(ONE, 9);
    processor.at(9 * PAGE);
    expect(processor.at(linear)).toBe(machine.spa(leafAt(ONE, 9)));
    expect(flags()).toBe(A);
    processor.at(9 * PAGE, ACCESS_WRITE);
    processor.at(linear);
    expect(flags()).toBe(A | D);
    expect(processor.count("largePageTlbFills")).toBe(1);
  });
});

describe("shadow paging 1.4: shoot-down", () => {
  const all = { addressSpace: BigInt(ONE * PAGE), flags: FLUSH_ALL_PROCESSORS, processors: 0n };

  function cachedEverywhere(options = {}) {
    const partition = shadowPartition(options);
    const { machine, processors, tables } = partition;
    for (let page = 0; page < 16; page++) machine.setEntry(leafAt(ONE, page), pte(0x100 + page, TOUCHED));
    for (const processor of processors) for (let page = 0; page < 16; page++) processor.at(page * PAGE);
    const move = () => {
      for (let page = 0; page < 16; page++) machine.setEntry(leafAt(ONE, page), pte(0x200 + page, TOUCHED));
    };
    /** Per processor, the pages that it translates with the new table. */
    const renewed = (processor = 0) =>
      Array.from({ length: 16 }, (_, page) => page).filter(
        (page) => processors[processor]!.at(page * PAGE) === machine.spa((0x200 + page) * PAGE),
      );
    return { ...partition, move, renewed, calls: new FlushCalls(tables, MAX_PHYSICAL_ADDRESS_BITS) };
  }

  it("1.4/20: once a flush of all processors returns, none translates with the old value", () => {
    const { move, renewed, calls } = cachedEverywhere();
    move();
    expect(renewed(3)).toEqual([]);
    expect(calls.flushAddressSpace(all)).toBe("done");
    for (let processor = 0; processor < 8; processor++) expect(renewed(processor)).toHaveLength(16);
  });

  it("1.4/21: mask 0x51 is processors 0, 4 and 6", () => {
    const { move, renewed, calls } = cachedEverywhere();
    move();
    calls.flushAddressSpace({ addressSpace: BigInt(ONE * PAGE), flags: 0, processors: 0x51n });
    for (let processor = 0; processor < 8; processor++)
      expect(renewed(processor)).toHaveLength([0, 4, 6].includes(processor) ? 16 : 0);
  });

  it.each([
    ["mask 0 without the flag for all", { flags: 0, processors: 0n }],
    ["a flag that does not exist", { flags: 8 | FLUSH_ALL_PROCESSORS }],
    ["an id that is no CR3", { addressSpace: 1n << 52n }],
    ["a negative id", { addressSpace: -1n }],
  ])("1.4/22: %s is an invalid parameter and flushes nothing", (_, change) => {
    const { move, renewed, calls } = cachedEverywhere();
    move();
    expect(calls.flushAddressSpace({ ...all, ...change })).toBe("invalid-parameter");
    expect(calls.flushAddressList({ ...all, ...change }, [0n])).toEqual({ status: "invalid-parameter", done: 0 });
    expect(renewed()).toEqual([]);
  });

  it("1.4/22: with the flag for all address spaces the id is not looked at", () => {
    const { move, renewed, calls } = cachedEverywhere();
    move();
    const flags = FLUSH_ALL_PROCESSORS | FLUSH_ALL_ADDRESS_SPACES;
    expect(calls.flushAddressSpace({ addressSpace: -1n, flags, processors: 0n })).toBe("done");
    expect(renewed()).toHaveLength(16);
  });

  it("1.4/23: low bits 3 flush four pages, and only those, also in the shadow tables", () => {
    const { move, renewed, calls, processors } = cachedEverywhere();
    move();
    expect(calls.flushAddressList(all, [BigInt(6 * PAGE + 3)])).toEqual({ status: "done", done: 1 });
    expect(renewed(2)).toEqual([6, 7, 8, 9]);
    processors[3]!.state.pkru = 1;
    expect(renewed(3)).toEqual([6, 7, 8, 9]);
  });

  it("1.4/23: a list with the flag for non-global entries is invalid; one longer than a processor's queue is done whole", () => {
    const { move, renewed, calls } = cachedEverywhere();
    const flags = FLUSH_ALL_PROCESSORS | FLUSH_NON_GLOBAL_ONLY;
    expect(calls.flushAddressList({ ...all, flags }, [0n]).status).toBe("invalid-parameter");
    move();
    const list = Array.from({ length: 64 }, (_, entry) => BigInt((entry % 16) * PAGE));
    expect(calls.flushAddressList(all, list).done).toBe(64);
    expect(renewed()).toHaveLength(16);
  });

  it.each(["INVLPG", "list"])("1.4/24: a page inside a large mapping takes the large mapping along: %s", (how) => {
    for (const broken of [false, true]) {
      const { machine, processor, tables } = shadowPartition({ pages: 4096 });
      if (broken) machine.map[700] = machine.map[3000]!;
      machine.setEntry(3 * PAGE + 8, pte(512, TOUCHED | PS));
      const at = (page: number) => processor.at(2 ** 21 + page * PAGE);
      for (const page of [0, 100, 188, 511]) expect(at(page)).toBe(machine.spa((512 + page) * PAGE));
      machine.setEntry(3 * PAGE + 8, pte(1024, TOUCHED | PS));
      if (how === "INVLPG") processor.invalidate(2 ** 21 + 300 * PAGE);
      else new FlushCalls(tables, 40).flushAddressList(all, [BigInt(2 ** 21 + 300 * PAGE)]);
      for (const page of [0, 100, 188, 511]) expect(at(page)).toBe(machine.spa((1024 + page) * PAGE));
      expect(processor.count("largePageTlbFills")).toBe(broken ? 1 : 2);
    }
  });

  it("1.4/25: a flush of non-global entries takes those", () => {
    const { machine, move, renewed, calls } = cachedEverywhere();
    machine.setEntry(leafAt(ONE, 3), pte(0x103, TOUCHED | G));
    move();
    calls.flushAddressSpace({ ...all, flags: FLUSH_ALL_PROCESSORS | FLUSH_NON_GLOBAL_ONLY });
    expect(renewed()).toEqual(expect.arrayContaining([0, 1, 2, 4, 5]));
  });

  it("1.4/26: an inhibited processor holds up the flush, which does nothing until it is called again after", () => {
    const { move, renewed, calls } = cachedEverywhere();
    move();
    calls.inhibition.set(4, true);
    expect(calls.flushAddressSpace(all)).toBe("inhibited");
    expect(calls.flushAddressList(all, [0n])).toEqual({ status: "inhibited", done: 0 });
    expect(renewed()).toEqual([]);
    expect(calls.flushAddressSpace({ ...all, flags: 0, processors: 1n })).toBe("done");
    calls.inhibition.set(4, false);
    expect(calls.flushAddressSpace(all)).toBe("done");
    expect(renewed(4)).toHaveLength(16);
  });

  it.each([2, 3])(
    "1.4/20: a table linked anew on level %i serves no entry older than the flush of its new address",
    (level) => {
      const { machine, processor } = shadowPartition({ batch: 1 });
      const step = level === 2 ? 2 ** 21 : 2 ** 30;
      for (const page of [5, 6]) {
        machine.setEntry(leafAt(ONE, page), pte(0x100 + page, TOUCHED));
        processor.at(page * PAGE);
        machine.setEntry(leafAt(ONE, page), pte(0x200 + page, TOUCHED));
      }
      machine.setEntry((level === 2 ? 3 : 2) * PAGE + 8, pte(level === 2 ? 4 : 3, P | W | U));
      for (const page of [5, 6]) processor.invalidate(step + page * PAGE);
      for (const page of [5, 6]) expect(processor.at(step + page * PAGE)).toBe(machine.spa((0x200 + page) * PAGE));
    },
  );

  it("1.4/20: INVLPG takes the way to a page too, so another address of the old table does not bring it back", () => {
    const { machine, processor } = shadowPartition({ batch: 1 });
    machine.setEntry(3 * PAGE + 8, pte(4, P | W | U));
    machine.setEntry(leafAt(ONE, 5), pte(0x105, TOUCHED));
    machine.setEntry(20 * PAGE + 5 * 8, pte(0x205, TOUCHED));
    processor.at(5 * PAGE);
    machine.setEntry(3 * PAGE, pte(20, P | W | U));
    processor.invalidate(5 * PAGE);
    expect(processor.at(2 ** 21 + 5 * PAGE)).toBe(machine.spa(0x105 * PAGE));
    expect(processor.at(5 * PAGE)).toBe(machine.spa(0x205 * PAGE));
  });

  it("a changed map: frames moved, tables moved, nothing of the old ones is used by any processor", () => {
    const { machine, processors } = cachedEverywhere();
    machine.map[0x103] = machine.map[0x503]!;
    processors[0]!.engine.guestMapChanged(0x103, 1);
    for (const processor of processors) expect(processor.at(3 * PAGE)).toBe(machine.spa(0x503 * PAGE));
    const table = leafAt(ONE, 0) / PAGE;
    machine.map[table] = machine.map[0x600]!;
    processors[0]!.engine.guestMapChanged(table, 1);
    machine.setEntry(leafAt(ONE, 3), pte(0x700, TOUCHED));
    for (const processor of processors) expect(processor.at(3 * PAGE)).toBe(machine.spa(0x700 * PAGE));
    expect(processors[1]!.at(4 * PAGE)).toBe(-1);
  });

  it("nobody is woken: a processor that never runs again does nothing for a thousand flushes", () => {
    const { calls, processors, tables } = cachedEverywhere();
    const before = processors[7]!.engine.counters();
    for (let flush = 0; flush < 1000; flush++) calls.flushAddressList(all, [BigInt(flush * PAGE)]);
    expect(processors[7]!.engine.counters()).toEqual(before);
    expect(tables.shootdown.take(7)).toBeNull();
  });
});
