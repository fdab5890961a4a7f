import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StopcodeError } from "../../../src/binary/index.ts";
import { openWindowsDump, windowsBitmapDump, windowsFullDump } from "../../../src/dumpfile/windows/index.ts";
import { withPeers } from "../../peers.ts";
import {
  bytesFile,
  imageBytes,
  pageBytes,
  sampleHeader,
  samplePages,
  sampleRuns,
  seeded,
  withFile,
} from "../windows-sample.ts";
import { twinPages } from "../windows-twin.ts";

function physical(bytes: Uint8Array) {
  const dump = openWindowsDump(bytesFile(bytes));
  if (dump.memory.kind !== "physical") throw new Error("a physical dump was expected");
  return { dump, memory: dump.memory };
}

const writers = {
  "full dump (type 1)": (seed: number, runs: number) => {
    const pages = samplePages(seed, sampleRuns(seed, Math.min(runs, 42), 30));
    return { type: 1, pages, image: windowsFullDump({ header: sampleHeader(), pages }) };
  },
  "bitmap dump, type 5": (seed: number, runs: number) => {
    const pages = samplePages(seed, sampleRuns(seed, runs, 9));
    return { type: 5, pages, image: windowsBitmapDump({ header: sampleHeader(), pages, type: 5 }) };
  },
  "bitmap dump, type 6": (seed: number, runs: number) => {
    const pages = samplePages(seed, sampleRuns(seed, runs, 9));
    return { type: 6, pages, image: windowsBitmapDump({ header: sampleHeader(), pages, type: 6 }) };
  },
} as const;

describe.each(Object.entries(writers))("%s", (_name, write) => {
  it("the writer's pages stand where a plain reader finds them, and no others", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 90 }), (seed, count) => {
        const { pages, image, type } = write(seed, count);
        const bytes = imageBytes(image);
        const offsets = twinPages(bytes);
        expect(Buffer.from(bytes).readUInt32LE(0xf98)).toBe(type);
        expect([...offsets.keys()]).toEqual(
          pages.runs.flatMap((run) => Array.from({ length: run.pageCount }, (_, page) => run.firstPage + page)),
        );
        const same = ([page, offset]: readonly [number, number]) =>
          Buffer.compare(bytes.subarray(offset, offset + 4096), pageBytes(seed, page)) === 0;
        expect([...offsets].filter((page) => !same(page))).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });

  it("the reader has the plain reader's pages, whole or cut off anywhere", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 1000 }), (seed, count, keep) => {
        const whole = imageBytes(write(seed, count).image);
        const bytes = whole.subarray(0, 0x2000 + Math.round(((whole.length - 0x2000) * keep) / 1000));
        const { dump, memory } = physical(bytes);
        // Inside the page map the plain reader has nothing to go by, and the reader must not guess.
        const bitmapBytes = whole[0xf98] === 1 ? 0 : Number(Buffer.from(whole).readBigUInt64LE(0x2030)) / 8 + 0x38;
        const cutInMap = bytes.length < 0x2000 + bitmapBytes;
        const offsets = cutInMap ? new Map<number, number>() : twinPages(bytes);
        const last = Math.max(0, ...twinPages(whole).keys());
        const pages = Array.from({ length: last + 70 }, (_, page) => page);
        expect(pages.filter((page) => memory.pageState(page) === "present")).toEqual([...offsets.keys()]);
        expect(memory.runs().flatMap((r) => Array.from({ length: r.pageCount }, (_, n) => r.firstPage + n))).toEqual([
          ...offsets.keys(),
        ]);
        const same = ([page, offset]: readonly [number, number]) =>
          Buffer.compare(memory.read(page * 4096, 4096), bytes.subarray(offset, offset + 4096)) === 0;
        expect([...offsets].filter((page) => !same(page))).toEqual([]);
        expect(dump.complete).toBe(bytes.length === whole.length);
        expect(dump.problems.some((problem) => problem.code === "truncated")).toBe(bytes.length < whole.length);
      }),
      { numRuns: 15 },
    );
  });

  it("reads any range inside a run, across pages, and refuses one that touches a hole", () => {
    const seed = 11;
    const { image, pages } = write(seed, 40);
    const { memory } = physical(imageBytes(image));
    const next = seeded(5);
    for (let round = 0; round < 300; round++) {
      const run = pages.runs[next() % pages.runs.length]!;
      const start = next() % (run.pageCount * 4096);
      const length = next() % (run.pageCount * 4096 - start + 1);
      const expected = Buffer.concat(
        Array.from({ length: run.pageCount }, (_, page) => pageBytes(seed, run.firstPage + page)),
      ).subarray(start, start + length);
      expect(Buffer.compare(memory.read(run.firstPage * 4096 + start, length), expected)).toBe(0);
      const tooFar = () => memory.read(run.firstPage * 4096 + start, run.pageCount * 4096 - start + 1);
      expect(tooFar).toThrow(StopcodeError);
      expect(tooFar).toThrow(/not all in the dump/);
    }
    for (const [address, length] of [[-1, 1], [-4096, 4096], [Number.NaN, 8], [2 ** 52, 8], [0, 2 ** 53]] as const) // biome-ignore format: a table
      expect(() => memory.read(address, length)).toThrow(StopcodeError);
  });

  it("the header's facts and the crashed processor come back", () => {
    const { dump } = physical(imageBytes(write(3, 5).image));
    expect(dump.arch).toBe("x86_64");
    expect(dump.stopCode).toEqual({ code: 0xd8, parameters: [0xaan, 2n, 4n, 0xffff_ffff_ffff_fff0n] });
    expect(dump.cpus).toHaveLength(1);
    expect(dump.cpus[0]!.registers).toMatchObject({
      rip: 0xfffff8047bdf5a80n,
      rsp: 0xffff850429890ee8n,
      cr3: 0x1ad000n,
    });
    // systemUpTime, comment and productType were never written: they hold the "PAGE" fill.
    expect(dump.header).toMatchObject({
      windows: { build: 19041, systemTime: 132583451029877657n, systemUpTime: null, comment: null, productType: null },
    });
  });

  withPeers({ program: "file" }).it("file(1) knows it and counts the same pages", () => {
    const { image } = write(21, 30);
    const said = withFile(imageBytes(image), (path) => spawnSync("file", ["-b", path], { encoding: "utf8" }).stdout);
    expect(said).toContain("MS Windows 64bit crash dump");
    expect(said).toContain(`${image.pages} pages`);
  });

  it("the stated size, the header's and the file's are one; chunks stay within a MiB", () => {
    const { image } = write(8, 40);
    const bytes = imageBytes(image);
    expect(Number(Buffer.from(bytes).readBigUInt64LE(0xfa0))).toBe(bytes.length);
    for (const chunk of image.chunks()) expect(chunk.length).toBeLessThanOrEqual(2 ** 20);
  });

  it("the guest's header is refused when it is not one, and never changed", () => {
    const header = sampleHeader();
    const pages = samplePages(1, [{ firstPage: 3, pageCount: 4 }]);
    const before = header.slice();
    imageBytes(windowsBitmapDump({ header, pages, type: 5 }));
    imageBytes(windowsFullDump({ header, pages }));
    expect(header).toEqual(before);
    for (const wrong of [new Uint8Array(0x2000), header.slice(0, 0x1fff), new Uint8Array(0)]) {
      expect(() => windowsBitmapDump({ header: wrong, pages, type: 5 })).toThrow(/PAGEDU64/);
      expect(() => windowsFullDump({ header: wrong, pages })).toThrow(/PAGEDU64/);
    }
  });
});

describe("the memory descriptor in the header of a bitmap dump", () => {
  it("has at most 42 runs, covers every page that is in the file, and adds up", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 150 }), (seed, count) => {
        const runs = sampleRuns(seed, count, 5);
        const bytes = imageBytes(
          windowsBitmapDump({ header: sampleHeader(), pages: samplePages(seed, runs), type: 6 }),
        );
        const { header } = openWindowsDump(bytesFile(bytes));
        const described = header.kind === "windows" ? header.windows.memoryRuns! : [];
        expect(described).toHaveLength(Math.min(count, 42));
        for (const run of runs)
          expect(
            described.filter(
              (one) => one.firstPage <= run.firstPage && one.firstPage + one.pageCount >= run.firstPage + run.pageCount,
            ),
          ).toHaveLength(1);
        const sum = described.reduce((pages, run) => pages + run.pageCount, 0);
        expect(Number(Buffer.from(bytes).readBigUInt64LE(0x90))).toBe(sum);
        if (count <= 42) expect(described).toEqual(runs);
        // Of the holes, the smallest were closed.
        const holes = runs.slice(1).map((run, n) => run.firstPage - runs[n]!.firstPage - runs[n]!.pageCount);
        const closed = holes.sort((a, b) => a - b).slice(0, Math.max(0, count - 42));
        const held = runs.reduce((pages, run) => pages + run.pageCount, 0);
        expect(sum).toBe(closed.reduce((pages, hole) => pages + hole, held));
      }),
      { numRuns: 30 },
    );
  });

  it("the form that every reader takes: pages aligned, a bitmap of whole 64-bit words", () => {
    for (let seed = 0; seed < 20; seed++) {
      const pages = samplePages(seed, sampleRuns(seed, 7, 5));
      const file = Buffer.from(imageBytes(windowsBitmapDump({ header: sampleHeader(), pages, type: 5 })));
      expect(file.readBigUInt64LE(0x2020) % 4096n).toBe(0n);
      expect(file.readBigUInt64LE(0x2030) % 64n).toBe(0n);
    }
  });

  it("no page at all is still a dump that opens", () => {
    const image = windowsBitmapDump({ header: sampleHeader(), pages: samplePages(1, []), type: 5 });
    const { dump, memory } = physical(imageBytes(image));
    expect(dump).toMatchObject({ pages: 0, complete: true });
    expect(memory.runs()).toEqual([]);
  });
});
