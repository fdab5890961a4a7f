import { describe, expect, it } from "vitest";
import { KernelMemory } from "../../src/analysis/linux/kernel-memory.ts";
import { readPrintkRing } from "../../src/analysis/linux/printk-ring.ts";
import { imageMap } from "./linux-built-kernel.ts";
import { BuiltRing, ringInfo, STATE } from "./linux-built-ring.ts";

const read = (ring: BuiltRing, info = ringInfo()) => readPrintkRing(new KernelMemory(ring.memory, imageMap), info);
const texts = (ring: BuiltRing) => read(ring)?.records.map(({ text }) => text);

/** A small generator of numbers, so that a failing ring can be built again. */
function numbers(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

describe("the printk ring", () => {
  it("gives each record with its time, level and caller", () => {
    const ring = new BuiltRing(4, 10);
    ring.write("Linux version 6.1", STATE.finalized, 0);
    ring.write("on processor 3 in an interrupt", STATE.committed, 0x8000_0003);
    expect(read(ring)).toEqual({
      complete: true,
      records: [
        {
          sequence: 0,
          nanoseconds: 0,
          level: 6,
          facility: 0,
          caller: { kind: "task", id: 0 },
          text: "Linux version 6.1",
        },
        {
          sequence: 1,
          nanoseconds: 1_000_001,
          level: 6,
          facility: 0,
          caller: { kind: "processor", id: 3 },
          text: "on processor 3 in an interrupt",
        },
      ],
    });
  });

  it("keeps a record of several lines, and an empty one, whole", () => {
    const ring = new BuiltRing(4, 10);
    for (const text of ["Mem-Info:\nactive_anon:573\n free:799", "", "last"]) ring.write(text);
    expect(texts(ring)).toEqual(["Mem-Info:\nactive_anon:573\n free:799", "", "last"]);
    expect(read(ring)?.complete).toBe(true);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])("survives both rings wrapping many times (seed %i)", (seed) => {
    const next = numbers(seed);
    const ring = new BuiltRing(3 + next(3), 8 + next(3), seed % 2 === 0);
    for (let n = 0; n < 200; n++) {
      ring.write(next(10) === 0 ? "" : `record ${n} ${"x".repeat(next(60))}`);
      expect(texts(ring)).toEqual(ring.texts);
      expect(read(ring)?.complete).toBe(true);
    }
  });

  it("reads a block that ends exactly at the ring's end, and one that older kernels move to the front instead", () => {
    const blocks = ["a".repeat(56), "b".repeat(56)]; // 64 bytes each with its id, in a ring of 128
    const [newer, older] = [true, false].map((exactFits) => new BuiltRing(4, 7, exactFits));
    for (const text of blocks) for (const ring of [newer, older]) ring?.write(text);
    expect(texts(newer!)).toEqual(blocks);
    expect(texts(older!)).toEqual(["b".repeat(56)]);
  });

  it("leaves out a record that was still being written, and says that one is missing", () => {
    const ring = new BuiltRing(4, 10);
    ring.write("before");
    ring.write("half", STATE.reserved);
    ring.write("after");
    expect(texts(ring)).toEqual(["before", "after"]);
    expect(read(ring)?.complete).toBe(false);
  });

  it("leaves out a record whose text was overwritten by another's", () => {
    const ring = new BuiltRing(4, 10);
    ring.write("before");
    ring.write("spoilt");
    ring.write("after");
    ring.memory.u64(ring.at.text + 16n, 12345n); // the second block's id
    expect(texts(ring)).toEqual(["before", "after"]);
    expect(read(ring)?.complete).toBe(false);
  });

  it("says that one is missing where the records' numbers leave a gap", () => {
    const ring = new BuiltRing(4, 10);
    const [first] = [ring.write("before"), ring.write("after")];
    expect(read(ring)?.complete).toBe(true);
    ring.memory.u64(ring.infoOf(first!), 7n);
    expect(texts(ring)).toEqual(["before", "after"]);
    expect(read(ring)?.complete).toBe(false);
  });

  it("leaves out a record whose descriptor belongs to another round", () => {
    const ring = new BuiltRing(4, 10);
    ring.write("before");
    const id = ring.write("stale");
    ring.write("after");
    ring.memory.u64(ring.descriptorOf(id), (STATE.finalized << 62n) | (id - 16n));
    expect(texts(ring)).toEqual(["before", "after"]);
    expect(read(ring)?.complete).toBe(false);
  });

  it("reads what there is when a page of texts is not in the dump", () => {
    const ring = new BuiltRing(7, 13); // two pages of text
    for (let n = 0; n < 100; n++) ring.write(`record ${n} ${"x".repeat(60)}`);
    ring.memory.drop(ring.at.text + 4096n);
    const log = read(ring);
    expect(log?.complete).toBe(false);
    expect(log?.records.length).toBeGreaterThan(20);
    expect(log?.records.length).toBeLessThan(100);
    expect(ring.texts.slice(0, log?.records.length)).toEqual(log?.records.map(({ text }) => text));
  });

  it("does not follow a head that is further from the tail than the ring is long", () => {
    const ring = new BuiltRing(4, 10);
    ring.write("only");
    ring.setHead(1n << 61n);
    expect(read(ring)).toEqual({ records: [], complete: false });
  });

  it("has nothing to read without the keys, or where the ring's page is missing", () => {
    const ring = new BuiltRing(4, 10);
    ring.write("text");
    expect(read(ring, ringInfo({ "OFFSET(prb_desc_ring.head_id)": "" }))).toBeNull();
    expect(read(ring, ringInfo({ "SIZE(printk_info)": "99999999" }))).toBeNull();
    ring.memory.drop(ring.at.prb);
    expect(read(ring)).toBeNull();
  });

  it("reads no more than an info holds when its size is damaged", () => {
    const ring = new BuiltRing(4, 10);
    ring.write("text");
    expect(read(ring, ringInfo({ "SIZE(printk_info)": "8" }))?.records).toEqual([]);
    expect(read(ring, ringInfo({ "SIZE(prb_desc)": "4" }))?.records).toEqual([]);
  });
});
