import { describe, expect, it } from "vitest";
import { aligned, sequentialStream } from "../../src/bench/address-stream.ts";
import { streamCounts } from "../../src/bench/stream-counts.ts";
import { readTrace } from "../../src/bench/trace-file.ts";
import { loopString, workingSetRuns } from "../../src/bench/working-set.ts";
import { sharedData, withPeers } from "../peers.ts";

/** Page 1 read, written, read again, then page 2 read: two of one page table. */
const SHORT = {
  name: "short",
  lows: Int32Array.of(0x1000, 0x1008, 0x1010, 0x2000),
  stores: Uint8Array.of(0, 1, 0, 0),
};

function programStream(name: string) {
  const trace = readTrace(sharedData(`traces/caffeine/address/${name}.trace.gz`));
  if (trace.kind !== "addresses") return expect.fail(`${name} is no address stream`);
  return aligned(trace);
}

describe("hidden faults of a stream", () => {
  it("are told apart from TLB misses and flag writes, one by one", () => {
    expect(streamCounts(SHORT)).toEqual({
      ...{ accesses: 4, stores: 1, pages: 2 },
      // Page 1 for reading and for writing, page 2 for reading.
      tlbMisses: 3,
      touched: { oneByOne: 2, inBatches: 1, fewer: 2 },
      // The write comes by to set the dirty flag, and page 2 has to, since nobody may see that it was not used (1.4/11, 16).
      untouched: { oneByOne: 3, inBatches: 3, fewer: 1 },
      // Three tables and two leaves; the first leaf twice where each flag is written at once.
      ...{ lazyFlagWrites: 5, eagerFlagWrites: 6 },
    });
  });

  it("are at least 20 times fewer in batches than one by one on sequential access (shadow paging 1.4/9)", () => {
    const { pages, touched } = streamCounts(sequentialStream());
    expect(touched.oneByOne).toBe(pages);
    expect(touched.inBatches).toBeLessThanOrEqual(pages / 20);
  });

  withPeers({ data: "traces/caffeine/address" }).it.each([
    ["gcc", 294],
    ["gzip", 39_856],
    ["mcf", 1442],
    ["swim", 135],
    ["twolf", 89],
  ])("are at least 4 times fewer on the address stream of %s, which has %i pages", (name, pages) => {
    const counts = streamCounts(programStream(name));
    expect(counts.pages).toBe(pages);
    expect(counts.touched.oneByOne).toBe(pages);
    expect(counts.touched.inBatches).toBeLessThanOrEqual(pages / 4);
    expect(counts.lazyFlagWrites).toBeLessThanOrEqual(counts.eagerFlagWrites);
  });
});

describe("switching back to an unchanged address space refills nothing (shadow paging 1.4/3)", () => {
  it("after every turn of a loop, by MOV CR3 and by hypercall, under one to four address spaces", () => {
    const runs = workingSetRuns(loopString());
    expect(runs.map(({ spaces, switchedBy, refills }) => [spaces, switchedBy, refills])).toEqual(
      [1, 2, 3, 4].flatMap((spaces) => ["MOV CR3", "hypercall"].map((way) => [spaces, way, 0])),
    );
    for (const { spaces, switches, hiddenFaults } of runs) {
      expect(switches).toBe(9 * spaces);
      expect(hiddenFaults).toBe(1024 * spaces);
    }
  });

  withPeers({ data: "traces/caffeine/lirs" }).it.each([
    ...["2_pools", "backf", "cpp", "cs", "gli", "loop", "multi1", "multi2", "multi3", "ps", "scan", "sprite", "zigzag"],
  ])("of the page string %s", (name) => {
    const trace = readTrace(sharedData(`traces/caffeine/lirs/${name}.trace.gz`));
    if (trace.kind !== "pages") return expect.fail(`${name} is no page string`);
    for (const { pages, spaces, hiddenFaults, refills } of workingSetRuns(trace)) {
      expect(refills).toBe(0);
      expect(hiddenFaults).toBe(pages * spaces);
    }
  });
});
