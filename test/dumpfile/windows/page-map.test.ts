import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StopcodeError } from "../../../src/binary/index.ts";
import { openDumpFile } from "../../../src/dumpfile/file.ts";
import { openWindowsDump, windowsFullDump } from "../../../src/dumpfile/windows/index.ts";
import { sharedData, withPeers } from "../../peers.ts";
import { bytesFile, imageBytes, pageBytes, sampleHeader, samplePages, seeded, withFile } from "../windows-sample.ts";
import { twinPages } from "../windows-twin.ts";

function physical(bytes: Uint8Array) {
  const dump = openWindowsDump(bytesFile(bytes));
  if (dump.memory.kind !== "physical") throw new Error("a physical dump was expected");
  return { dump, memory: dump.memory };
}

describe("bitmap dumps as other writers make them", () => {
  /** Any number of bits, a first page anywhere behind them, noise behind the last bit. */
  const image = fc
    .record({
      bits: fc.integer({ min: 1, max: 2100 }),
      gap: fc.integer({ min: 0, max: 5000 }),
      seed: fc.nat(),
      letter: fc.constantFrom("S", "F"),
      type: fc.constantFrom(5, 6),
      sparse: fc.boolean(),
    })
    .map(({ bits, gap, seed, letter, type, sparse }) => {
      const next = seeded(seed);
      const bitmap = Uint8Array.from({ length: Math.ceil(bits / 8) }, () => next() & (sparse ? next() & next() : 0xff));
      let set = 0;
      for (let bit = 0; bit < bits; bit++) set += (bitmap[bit >> 3]! >> (bit & 7)) & 1;
      const firstPage = 0x2038 + bitmap.length + gap;
      const file = Buffer.alloc(firstPage + set * 4096);
      file.set(sampleHeader());
      file.writeUInt32LE(type, 0xf98);
      file.write(`${letter}DMPDUMP`, 0x2000, "latin1");
      file.writeBigUInt64LE(BigInt(firstPage), 0x2020);
      file.writeBigUInt64LE(BigInt(set), 0x2028);
      file.writeBigUInt64LE(BigInt(bits), 0x2030);
      file.set(bitmap, 0x2038);
      for (let at = firstPage; at < file.length; at += 4096) file.writeUInt32LE(next(), at + (next() % 1000) * 4);
      return new Uint8Array(file);
    });

  it("bits that are no multiple of 8 and pages that are not aligned read as a plain reader reads them", () => {
    fc.assert(
      fc.property(image, (bytes) => {
        const { dump, memory } = physical(bytes);
        const offsets = twinPages(bytes);
        expect(dump.problems).toEqual([]);
        expect(dump.pages).toBe(offsets.size);
        const pages = Array.from({ length: 2200 }, (_, page) => page);
        expect(pages.filter((page) => memory.pageState(page) === "present")).toEqual([...offsets.keys()]);
        const same = ([page, offset]: readonly [number, number]) =>
          Buffer.compare(memory.read(page * 4096, 4096), bytes.subarray(offset, offset + 4096)) === 0;
        expect([...offsets].filter((page) => !same(page))).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });
});

describe("full dumps as other writers make them", () => {
  it("runs in any order, and overlapping ones, read as far as one page has one place", () => {
    const bytes = imageBytes(
      windowsFullDump({ header: sampleHeader(), pages: samplePages(4, [{ firstPage: 0, pageCount: 12 }]) }),
    );
    const file = Buffer.from(bytes.buffer);
    const describeRuns = (runs: readonly (readonly [number, number])[]) => {
      file.writeUInt32LE(runs.length, 0x88);
      for (const [index, [base, count]] of runs.entries()) {
        file.writeBigUInt64LE(BigInt(base), 0x98 + index * 16);
        file.writeBigUInt64LE(BigInt(count), 0xa0 + index * 16);
      }
    };
    describeRuns([[100, 4], [20, 5], [50, 3]]); // biome-ignore format: a table
    const unordered = physical(bytes);
    expect(unordered.dump.problems).toEqual([]);
    expect(unordered.memory.runs()).toEqual([
      { firstPage: 20, pageCount: 5 },
      { firstPage: 50, pageCount: 3 },
      { firstPage: 100, pageCount: 4 },
    ]);
    for (const [page, stored] of [[100, 0], [103, 3], [20, 4], [24, 8], [50, 9], [52, 11]] as const) // biome-ignore format: a table
      expect(Buffer.compare(unordered.memory.read(page * 4096, 4096), pageBytes(4, stored))).toBe(0);

    describeRuns([[10, 6], [13, 6]]); // biome-ignore format: a table
    const overlapping = physical(bytes);
    expect(overlapping.dump.problems).toMatchObject([{ code: "bad-page-map", offset: 0x98 }]);
    expect(overlapping.memory.runs()).toEqual([
      { firstPage: 10, pageCount: 6 },
      { firstPage: 16, pageCount: 3 },
    ]);
    const both = Buffer.concat([pageBytes(4, 5), pageBytes(4, 9)]);
    for (const [start, length] of [[0, 8192], [4000, 200], [1, 8190], [4095, 4097]] as const) // biome-ignore format: a table
      expect(
        Buffer.compare(overlapping.memory.read(15 * 4096 + start, length), both.subarray(start, start + length)),
      ).toBe(0);
    expect(() => overlapping.memory.read(15 * 4096, 5 * 4096)).toThrow(StopcodeError);
  });

  it("more than 42 runs cannot be written, and the error names what can", () => {
    const runs = Array.from({ length: 43 }, (_, run) => ({ firstPage: run * 10, pageCount: 1 }));
    const write = () => windowsFullDump({ header: sampleHeader(), pages: samplePages(1, runs) });
    expect(write).toThrow(
      expect.objectContaining({ code: "dump/too-many-runs", hint: expect.stringContaining("bitmap") }),
    );
    const touching = Array.from({ length: 100 }, (_, run) => ({ firstPage: run * 2, pageCount: 2 }));
    expect(windowsFullDump({ header: sampleHeader(), pages: samplePages(1, touching) }).pages).toBe(200);
  });
});

describe("what an open costs", () => {
  /** A dump of 2^24 pages (64 GiB) of which two of three are present, made as it is read. */
  const hugeDump = () => {
    const bits = 2 ** 24;
    const firstPage = 0x2038 + bits / 8;
    const front = new Uint8Array(firstPage);
    front.set(sampleHeader());
    const file = Buffer.from(front.buffer);
    let set = 0;
    for (let bit = 0; bit < bits; bit++)
      if (bit % 3 !== 0) {
        front[0x2038 + (bit >>> 3)]! |= 1 << (bit & 7);
        set++;
      }
    file.writeUInt32LE(6, 0xf98);
    file.write("SDMPDUMP", 0x2000, "latin1");
    file.writeBigUInt64LE(BigInt(firstPage), 0x2020);
    file.writeBigUInt64LE(BigInt(set), 0x2028);
    file.writeBigUInt64LE(BigInt(bits), 0x2030);
    let bytesRead = 0;
    return {
      path: "huge.dmp",
      bytes: firstPage + set * 4096,
      read(offset: number, length: number) {
        bytesRead += length;
        if (offset + length <= firstPage) return front.slice(offset, offset + length);
        const word = new Uint8Array(length);
        new DataView(word.buffer).setFloat64(0, offset, true);
        return word;
      },
      close: () => {},
      bytesRead: () => bytesRead,
      front: firstPage,
    };
  };

  it("a 64 GiB bitmap dump is opened by its header and bitmap alone, and any page is found without reading more", () => {
    const file = hugeDump();
    const { memory, problems } = openWindowsDump(file);
    if (memory.kind !== "physical") throw new Error("a physical dump was expected");
    expect(problems).toEqual([]);
    expect(file.bytesRead()).toBeLessThanOrEqual(file.front);
    const next = seeded(1);
    for (let round = 0; round < 2000; round++) {
      const page = next() % 2 ** 24;
      if (page % 3 === 0) expect(memory.pageState(page)).toBe("absent");
      else {
        const offset = new DataView(memory.read(page * 4096, 8).slice().buffer).getFloat64(0, true);
        expect(offset).toBe(file.front + (page - Math.floor(page / 3) - 1) * 4096);
      }
    }
  });
});

withPeers({ data: "windows/expected/bmp.map" }).describe(
  "the page map of a real bitmap dump (WinDbg's, 398 segments)",
  () => {
    it("every segment reads back from where WinDbg's file has it", () => {
      const segments = readFileSync(sharedData("windows/expected/bmp.map"), "utf8")
        .trim()
        .split("\n")
        .map((line) => line.split(/\s+/).map((word) => Number.parseInt(word, 16)) as [number, number, number]);
      expect(segments).toHaveLength(398);
      const file = Buffer.alloc(Math.max(...segments.map(([, offset, bytes]) => offset + bytes)));
      const words = new Uint32Array(file.buffer, file.byteOffset, file.length >>> 2);
      for (let word = 0; word < words.length; word++) words[word] = Math.imul(word, 0x9e3779b1);
      file.fill(0, 0, 0xa038);
      file.set(sampleHeader());
      file.writeUInt32LE(5, 0xf98);
      file.write("SDMPDUMP", 0x2000, "latin1");
      file.writeBigUInt64LE(0xa038n, 0x2020);
      file.writeBigUInt64LE(0x40000n, 0x2030);
      let set = 0;
      for (const [address, , bytes] of segments)
        for (let page = address / 4096; page < (address + bytes) / 4096; page++, set++)
          file[0x2038 + (page >> 3)]! |= 1 << (page & 7);
      file.writeBigUInt64LE(BigInt(set), 0x2028);

      const dump = withFile(file, (path) => {
        const dump = openWindowsDump(openDumpFile(path));
        if (dump.memory.kind !== "physical") throw new Error("a physical dump was expected");
        for (const [address, offset, bytes] of segments)
          expect(Buffer.compare(dump.memory.read(address, bytes), file.subarray(offset, offset + bytes))).toBe(0);
        dump.close();
        return dump;
      });
      expect(dump.problems).toEqual([]);
      expect(dump.pages).toBe(set);
    });
  },
);
