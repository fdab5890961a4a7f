import { describe, expect, it } from "vitest";
import {
  type EngineKind,
  FLUSH_ALL_ADDRESS_SPACES,
  FLUSH_ALL_PROCESSORS,
  FLUSH_NON_GLOBAL_ONLY,
  Hypervisor,
} from "../../src/hypervisor/index.ts";
import { CR4_PCIDE, CR4_PGE } from "../../src/paging/index.ts";
import { enterLongMode, map } from "./guest-tables.ts";

const MIB = 2 ** 20;
const PAGE = 4096;
const ROOT = 0x1000n;
const ALL = { addressSpace: ROOT, flags: FLUSH_ALL_PROCESSORS, processors: 0n };
/** Present, writable, accessed, dirty. */
const TOUCHED = 0x63n;

/** A partition whose processors have all read 16 pages, of which each then moves to other frames. */
function cachedEverywhere(engine: EngineKind, options: { pcid?: bigint; flags?: bigint } = {}) {
  const host = new Hypervisor({ memoryBytes: 4 * MIB });
  const partition = host.createPartition({ name: "web", memoryBytes: MIB, processors: 8, engine });
  const { memory, processors } = partition;
  for (let page = 0; page < 16; page++) {
    memory.writeU32((0x40 + page) * PAGE, 0x01d);
    memory.writeU32((0x80 + page) * PAGE, 0x1e3);
    map(memory, page, 0x40 + page, TOUCHED | (options.flags ?? 0n));
  }
  for (const processor of processors) {
    enterLongMode(memory, processor);
    processor.writeCr4(processor.registers.cr4 | BigInt(CR4_PGE | (options.pcid === undefined ? 0 : CR4_PCIDE)));
    if (options.pcid !== undefined) processor.moveToCr3(ROOT | options.pcid);
    for (let page = 0; page < 16; page++) expect(processor.readU32(BigInt(page * PAGE))).toBe(0x01d);
  }
  for (let page = 0; page < 16; page++) map(memory, page, 0x80 + page, TOUCHED | (options.flags ?? 0n));
  /** Pages that a processor reads where they are now. */
  const renewed = (processor = 0) =>
    Array.from({ length: 16 }, (_, page) => page).filter(
      (page) => processors[processor]!.readU32(BigInt(page * PAGE)) === 0x1e3,
    );
  return { partition, renewed };
}

describe.each(["tlb", "shadow"] as const)("the flush hypercalls of a partition (%s)", (engine) => {
  it("shadow paging 1.4/20: after one for all processors none reads the old page; before, all do", () => {
    const { partition, renewed } = cachedEverywhere(engine);
    for (let processor = 0; processor < 8; processor++) expect(renewed(processor)).toEqual([]);
    expect(partition.flushAddressSpace(ALL)).toBe("done");
    for (let processor = 0; processor < 8; processor++) expect(renewed(processor)).toHaveLength(16);
  });

  it("shadow paging 1.4/21: mask 0x51 is processors 0, 4 and 6", () => {
    const { partition, renewed } = cachedEverywhere(engine);
    partition.flushAddressList({ addressSpace: ROOT, flags: 0, processors: 0x51n }, [15n]);
    for (let processor = 0; processor < 8; processor++)
      expect(renewed(processor)).toHaveLength([0, 4, 6].includes(processor) ? 16 : 0);
  });

  it("shadow paging 1.4/22: mask 0, unknown flags and what is no CR3 are invalid and flush nothing", () => {
    const { partition, renewed } = cachedEverywhere(engine);
    for (const change of [{ flags: 0 }, { flags: 8 | FLUSH_ALL_PROCESSORS }, { addressSpace: 1n << 52n }]) {
      expect(partition.flushAddressSpace({ ...ALL, ...change })).toBe("invalid-parameter");
      expect(partition.flushAddressList({ ...ALL, ...change }, [0n])).toEqual({ status: "invalid-parameter", done: 0 });
    }
    const nonGlobal = { ...ALL, flags: FLUSH_ALL_PROCESSORS | FLUSH_NON_GLOBAL_ONLY };
    expect(partition.flushAddressList(nonGlobal, [0n]).status).toBe("invalid-parameter");
    expect(renewed()).toEqual([]);
  });

  it("shadow paging 1.4/23: low bits 3 are four pages", () => {
    const { partition, renewed } = cachedEverywhere(engine);
    expect(partition.flushAddressList(ALL, [BigInt(6 * PAGE + 3)])).toEqual({ status: "done", done: 1 });
    expect(renewed(5)).toEqual([6, 7, 8, 9]);
  });

  it("shadow paging 1.4/25: of all entries, also global ones; of non-global entries, at least those", () => {
    const global = cachedEverywhere(engine, { flags: 0x100n });
    global.partition.flushAddressSpace(ALL);
    expect(global.renewed(3)).toHaveLength(16);
    const local = cachedEverywhere(engine);
    local.partition.flushAddressSpace({ ...ALL, flags: FLUSH_ALL_PROCESSORS | FLUSH_NON_GLOBAL_ONLY });
    expect(local.renewed(3)).toHaveLength(16);
  });

  it("shadow paging 1.4/26: a processor whose flushes are inhibited holds a flush up that names it, and no other", () => {
    const { partition, renewed } = cachedEverywhere(engine);
    partition.inhibitFlushes(4, true);
    expect(partition.flushAddressSpace(ALL)).toBe("inhibited");
    expect(partition.flushAddressList(ALL, [0n])).toEqual({ status: "inhibited", done: 0 });
    for (let processor = 0; processor < 8; processor++) expect(renewed(processor)).toEqual([]);
    const others = { addressSpace: ROOT, flags: 0, processors: 0xefn };
    expect(partition.flushAddressList(others, [2n])).toEqual({ status: "done", done: 1 });
    expect([0, 4].map((processor) => renewed(processor))).toEqual([[0, 1, 2], []]);
    partition.inhibitFlushes(4, false);
    expect(partition.flushAddressSpace(ALL)).toBe("done");
    for (let processor = 0; processor < 8; processor++) expect(renewed(processor)).toHaveLength(16);
    expect(() => partition.inhibitFlushes(8, true)).toThrow("has processors 0 to 7, not 8");
  });

  it("the address space of a flush has its process-context identifier, also where another is active", () => {
    const { partition, renewed } = cachedEverywhere(engine, { pcid: 5n });
    const [first] = partition.processors;
    first!.moveToCr3((1n << 63n) | ROOT | 6n);
    partition.flushAddressList({ ...ALL, addressSpace: ROOT | 5n }, [3n]);
    first!.moveToCr3((1n << 63n) | ROOT | 5n);
    expect(renewed(0)).toEqual(expect.arrayContaining([0, 1, 2, 3]));
    expect(renewed(7)).toEqual([0, 1, 2, 3]);
    partition.flushAddressList({ ...ALL, flags: FLUSH_ALL_PROCESSORS | FLUSH_ALL_ADDRESS_SPACES }, [4n * 4096n + 11n]);
    for (const processor of [0, 7]) expect(renewed(processor)).toHaveLength(16);
  });

  it("counts what the calls flushed", () => {
    const { partition } = cachedEverywhere(engine);
    const before = partition.counters();
    partition.flushAddressList(ALL, [0n]);
    partition.flushAddressSpace({ ...ALL, flags: FLUSH_ALL_PROCESSORS | FLUSH_NON_GLOBAL_ONLY });
    const after = partition.counters();
    const times = engine === "shadow" ? 1 : 8; // without tables in common, every processor flushes its own
    expect(after.localGvaRangeFlushes! - before.localGvaRangeFlushes!).toBe(times);
    expect(after.addressSpaceFlushes! - before.addressSpaceFlushes!).toBe(times);
  });

  it("are made by a running partition only", () => {
    const { partition } = cachedEverywhere(engine);
    partition.suspend();
    expect(() => partition.flushAddressSpace(ALL)).toThrow(/executes nothing/);
    expect(() => partition.flushAddressList(ALL, [0n])).toThrow(/executes nothing/);
  });
});

describe("a host's counters", () => {
  it("add up what each partition counts, with its pages by size", () => {
    const host = new Hypervisor({ memoryBytes: 8 * MIB });
    const one = host.createPartition({
      name: "one",
      memoryBytes: 2 * MIB + 12 * 1024,
      processors: 1,
      engine: "shadow",
    });
    const two = host.createPartition({ name: "two", memoryBytes: 2 * MIB, processors: 2, engine: "tlb" });
    enterLongMode(one.memory, one.processors[0]!);
    map(one.memory, 0, 0x40);
    one.processors[0]!.readU8(0n);
    one.memory.unmap(0x50, 1);
    expect(one.counters()).toMatchObject({
      gpaPages2M: 0,
      gpaPages4K: 514,
      gpaSpaceModifications: 1,
      addressSpaces: 1,
    });
    expect(two.counters()).toMatchObject({ gpaPages2M: 1, gpaPages4K: 0, gpaSpaceModifications: 0 });
    expect(host.counters()).toMatchObject({
      gpaPages2M: 1,
      gpaPages4K: 514,
      gpaSpaceModifications: 1,
      guestAccesses: 1,
      smallPageTlbFills: 1,
    });
    expect(host.counters().recommendedVirtualTlbSize).toBe(one.counters().recommendedVirtualTlbSize);
  });
});
