import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { PAGE_SIZE } from "../../src/binary/index.ts";
import { BlockCache } from "../../src/dumpfile/block-cache.ts";
import { type Dump, openDump, openDumpFile } from "../../src/dumpfile/index.ts";
import { arrangeFlattened } from "../../src/dumpfile/kdump/flattened.ts";
import { PageBitmap } from "../../src/dumpfile/kdump/page-bitmap.ts";
import { withPeers } from "../peers.ts";
import { flattenedSample, type KdumpSample, kdumpSample } from "./kdump-sample.ts";
import { difference, NO_DIFFERENCE, pagesOf, readByKdumpfile } from "./kdumpfile-peer.ts";

const folder = mkdtempSync(join(tmpdir(), "stopcode-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
const write = (data: Uint8Array): string => {
  const path = join(folder, `${++files}`);
  writeFileSync(path, data);
  return path;
};

/** A page that compresses, different for every seed. */
const page = (seed: number) => Buffer.from(`page ${seed}, `.repeat(1000)).subarray(0, PAGE_SIZE);
const pagesAt = (...frames: number[]) => new Map(frames.map((pfn) => [pfn, page(pfn)]));
const small: KdumpSample = { pages: pagesAt(1, 2, 3, 40), storage: ["zlib"], maxPage: 64 };
const opened = async (sample: Partial<KdumpSample>) => openDump(write(kdumpSample({ ...small, ...sample })));
const memoryOf = (dump: Dump) => {
  if (dump.memory.kind !== "physical") throw new Error("no physical memory");
  return dump.memory;
};

describe("the page bitmap answers as a list of pages does", () => {
  const lists = fc.uniqueArray(fc.integer({ min: 0, max: 1999 }), { maxLength: 1500, size: "max" });
  it("has, rank, count and runs", () => {
    fc.assert(
      fc.property(lists, fc.integer({ min: 0, max: 2000 }), (frames, pages) => {
        const bits = new Uint8Array(250);
        for (const pfn of frames) bits[pfn >>> 3]! |= 1 << (pfn & 7);
        const kept = frames.filter((pfn) => pfn < pages).sort((a, b) => a - b);
        const bitmap = new PageBitmap(bits, pages);
        expect(bitmap.count).toBe(kept.length);
        expect([...bitmap.set()]).toEqual(kept);
        expect(kept.map((pfn) => bitmap.rank(pfn))).toEqual(kept.map((_, index) => index));
        const fromRuns = bitmap
          .runs()
          .flatMap(({ firstPage, pageCount }) => Array.from({ length: pageCount }, (_, index) => firstPage + index));
        expect(fromRuns).toEqual(kept);
        expect(
          bitmap
            .runs()
            .every(
              (run, index, all) => index === 0 || all[index - 1]!.firstPage + all[index - 1]!.pageCount < run.firstPage,
            ),
        ).toBe(true);
        for (const pfn of [-1, 0, pages - 1, pages, 1999, 2000, 1e12]) expect(bitmap.has(pfn)).toBe(kept.includes(pfn));
      }),
    );
  });
});

describe("the block cache", () => {
  it("has the bytes of the key that was asked for, also after fills that failed half-way", () => {
    const keys = fc.array(fc.tuple(fc.nat(20), fc.boolean()), { minLength: 200, maxLength: 300 });
    fc.assert(
      fc.property(keys, (asked) => {
        const cache = new BlockCache(8, 1);
        for (const [key, fails] of asked) {
          const fill = (target: Uint8Array) => {
            target.fill(key, 0, 4);
            if (fails) throw new Error("half-way");
            target.fill(key);
          };
          try {
            expect([...cache.get(key, fill)]).toEqual(Array(8).fill(key));
          } catch (error) {
            if ((error as Error).message !== "half-way") throw error;
          }
        }
      }),
    );
  });

  it("keeps four blocks of a set and gives up the one that was used longest ago", () => {
    const cache = new BlockCache(8, 1);
    const filled: number[] = [];
    for (const key of [1, 2, 3, 4, 1, 2, 3, 4, 1, 5, 1, 3, 4, 5, 2]) cache.get(key, () => filled.push(key));
    expect(filled).toEqual([1, 2, 3, 4, 5, 2]);
  });
});

withPeers({ python: "kdumpfile" }).it(
  "raw, zlib, snappy and zstd pages and shared places read as libkdumpfile reads them, across 2,000 pages",
  async () => {
    const frames = Array.from({ length: 2000 }, (_, index) => index * 3 + (index >> 6));
    const pages = new Map(frames.map((pfn, index) => [pfn, page(index % 6 === 5 ? 0 : pfn)]));
    const path = write(
      kdumpSample({ pages, storage: ["zlib", "raw", "snappy", "zstd", "raw", "shared"], maxPage: 8192 }),
    );
    const dump = await openDump(path);
    const theirs = readByKdumpfile(path);
    expect(theirs.pages).toHaveLength(2000);
    expect(difference(pagesOf(dump), theirs.pages)).toEqual(NO_DIFFERENCE);
    dump.close();
  },
);

describe("kdump", () => {
  it("reads across pages, and refuses what reaches into a page that is not there", async () => {
    const dump = await opened({});
    const memory = memoryOf(dump);
    const across = Buffer.concat([page(1), page(2)]).subarray(4000, 4200);
    expect(Buffer.from(memory.read(PAGE_SIZE + 4000, 200))).toEqual(across);
    for (const [address, length] of [
      [0, 1],
      [3 * PAGE_SIZE + 4000, 200],
      [64 * PAGE_SIZE, 8],
      [-8, 4],
      [2 ** 60, 8],
    ] as const)
      expect(() => memory.read(address, length)).toThrow(expect.objectContaining({ code: "memory/absent" }));
    expect([0, 1, 3, 4, 40, 63, 64].map((pfn) => memory.pageState(pfn))).toEqual([
      "absent",
      "present",
      "present",
      "absent",
      "present",
      "absent",
      "absent",
    ]);
    expect(memory.runs()).toEqual([
      { firstPage: 1, pageCount: 3 },
      { firstPage: 40, pageCount: 1 },
    ]);
    dump.close();
  });

  it("reads memory above 4 GiB by the 64-bit page count of the sub-header", async () => {
    const dump = await opened({ pages: pagesAt(5, 0x18_0000), maxPage: 0x18_0001 });
    expect(Buffer.from(memoryOf(dump).read(0x18_0000 * PAGE_SIZE, PAGE_SIZE))).toEqual(page(0x18_0000));
    dump.close();
  });

  it.each([
    ["one part of a split dump", { split: 1 }, "dump/kdump-split"],
    ["pages of 64 KiB", { blockSize: 65_536 }, "dump/unsupported-page-size"],
    ["a damaged block size", { blockSize: 7 }, "dump/bad-header-field"],
    ["a 32-bit machine", { machine: "i686" }, "dump/unsupported-class"],
  ])("refuses %s", async (_, change, code) => {
    await expect(opened(change)).rejects.toMatchObject({ code, hint: expect.any(String) });
  });

  it("opens AArch64 with its memory and says that its registers are not read", async () => {
    const dump = await opened({ machine: "aarch64" });
    expect(dump).toMatchObject({ arch: "arm64", cpus: [], pages: 4, problems: [{ code: "registers-not-read" }] });
    dump.close();
  });

  it("takes a dump that makedumpfile marked incomplete, and says so", async () => {
    const dump = await opened({ status: 1 | 8 });
    expect(dump).toMatchObject({ complete: false, problems: [{ code: "incomplete" }] });
    dump.close();
  });

  it("a damaged page is an error of that page only", async () => {
    const data = kdumpSample(small);
    data.fill(0xff, data.length - 20);
    const dump = await openDump(write(data));
    const memory = memoryOf(dump);
    expect(() => memory.read(40 * PAGE_SIZE, 8)).toThrow(
      expect.objectContaining({ code: "dump/page-unreadable", where: expect.objectContaining({ address: "0x28000" }) }),
    );
    expect(Buffer.from(memory.read(3 * PAGE_SIZE, PAGE_SIZE))).toEqual(page(3));
    dump.close();
  });

  it.each(["raw", "zlib", "snappy", "zstd"] as const)(
    "a %s page whose bytes or length are wrong never unpacks to something else than 4,096 bytes",
    async (storage) => {
      const whole = kdumpSample({ ...small, pages: pagesAt(1), storage: [storage] });
      const descriptor = 3 * PAGE_SIZE + 2 * PAGE_SIZE;
      const start = Number(whole.readBigInt64LE(descriptor));
      await fc.assert(
        fc.asyncProperty(
          fc.nat(whole.length - start - 1),
          fc.integer({ min: 1, max: 255 }),
          fc.boolean(),
          async (at, flip, size) => {
            const data = Buffer.from(whole);
            if (size) data[descriptor + 8 + (at & 3)]! ^= flip;
            else data[start + at]! ^= flip;
            const dump = await openDump(write(data));
            try {
              expect(memoryOf(dump).read(PAGE_SIZE, PAGE_SIZE)).toHaveLength(PAGE_SIZE);
            } catch (error) {
              expect(error).toMatchObject({ name: "StopcodeError" });
            } finally {
              dump.close();
            }
          },
        ),
        { numRuns: 60 },
      );
    },
  );

  it("a page of a compression that is not known is refused by its flags", async () => {
    const data = kdumpSample({ ...small, pages: pagesAt(1) });
    data.writeUInt32LE(0x40, 5 * PAGE_SIZE + 12);
    const dump = await openDump(write(data));
    expect(() => memoryOf(dump).read(PAGE_SIZE, 8)).toThrow(expect.objectContaining({ code: "dump/page-compression" }));
    dump.close();
  });

  it.each(
    (["raw", "zlib", "snappy", "zstd"] as const).flatMap((storage) =>
      [100, 5000].map((length) => [storage, length] as const),
    ),
  )(
    "a %s page of %i bytes is no page: nothing is filled in from elsewhere, nothing cut off",
    async (storage, length) => {
      const odd = Buffer.from("x".repeat(length));
      const dump = await opened({
        pages: new Map([
          [1, page(1)],
          [2, odd],
        ]),
        storage: [storage],
      });
      expect(Buffer.from(memoryOf(dump).read(PAGE_SIZE, PAGE_SIZE))).toEqual(page(1));
      expect(() => memoryOf(dump).read(2 * PAGE_SIZE, 8)).toThrow(
        expect.objectContaining({ code: "dump/page-unreadable" }),
      );
      dump.close();
    },
  );

  it("a snappy block that announces 4 GiB is refused before it is unpacked", async () => {
    const data = kdumpSample({ ...small, pages: pagesAt(1), storage: ["snappy"] });
    data.set([0xff, 0xff, 0xff, 0xff, 0x0f], Number(data.readBigInt64LE(5 * PAGE_SIZE)));
    const dump = await openDump(write(data));
    expect(() => memoryOf(dump).read(PAGE_SIZE, 8)).toThrow(expect.objectContaining({ code: "dump/page-unreadable" }));
    dump.close();
  });

  it("a header that claims 2^62 pages or a bitmap of 16 TiB costs no memory", async () => {
    const manyPages = kdumpSample(small);
    manyPages.writeBigUInt64LE(2n ** 62n, PAGE_SIZE + 96);
    const dump = await openDump(write(manyPages));
    expect(dump).toMatchObject({ pages: 4, problems: [{ code: "bad-header-field", offset: PAGE_SIZE + 96 }] });
    dump.close();
    manyPages.writeUInt32LE(0xffff_fffe, 436);
    await expect(openDump(write(manyPages))).rejects.toMatchObject({ code: "dump/truncated" });
  });
});

describe("flattened", () => {
  const record = fc.record({ offset: fc.nat(6000), bytes: fc.uint8Array({ minLength: 0, maxLength: 3000 }) });
  const streams = fc.array(record, { maxLength: 30, size: "max" });
  /** What the records leave behind when they are written one after the other. */
  const written = (records: readonly { offset: number; bytes: Uint8Array }[]) => {
    const kept = records.filter(({ bytes }) => bytes.length > 0);
    const result = Buffer.alloc(Math.max(0, ...kept.map(({ offset, bytes }) => offset + bytes.length)));
    for (const { offset, bytes } of kept) result.set(bytes, offset);
    return result;
  };

  it("records in any order, overlapping or apart, read as if they were written one after the other", () => {
    fc.assert(
      fc.property(streams, fc.nat(9000), fc.nat(9000), (records, a, b) => {
        const file = openDumpFile(write(flattenedSample(records)));
        const expected = written(records);
        const { file: arranged, problems } = arrangeFlattened(file);
        expect(problems).toEqual([]);
        expect(arranged.bytes).toBe(expected.length);
        const [from, to] = [Math.min(a, b, expected.length), Math.min(Math.max(a, b), expected.length)];
        expect(Buffer.from(arranged.read(from, to - from)).equals(expected.subarray(from, to))).toBe(true);
        expect(() => arranged.read(from, expected.length + 1 - from)).toThrow(
          expect.objectContaining({ code: "dump/truncated" }),
        );
        file.close();
      }),
      { numRuns: 60 },
    );
  });

  withPeers({ program: "makedumpfile" }).it("overlapping records read as makedumpfile -R writes them", () => {
    const records = [
      { offset: 0, bytes: page(1) },
      { offset: 5000, bytes: page(2) },
      { offset: 4000, bytes: page(3) },
      { offset: 6000, bytes: page(4).subarray(0, 10) },
    ];
    const path = write(flattenedSample(records));
    const arrangedBy = `${path}.arranged`;
    expect(
      spawnSync("makedumpfile", ["-R", arrangedBy], { stdio: [openSync(path, "r"), "ignore", "ignore"] }).status,
    ).toBe(0);
    const { file } = arrangeFlattened(openDumpFile(path));
    expect(Buffer.from(file.read(0, file.bytes)).equals(readFileSync(arrangedBy))).toBe(true);
    file.close();
  });

  it("a stream that ends without its end record, or with a senseless one, is read up to there", async () => {
    const plain = kdumpSample(small);
    const pieces = Array.from({ length: Math.ceil(plain.length / 1000) }, (_, index) => ({
      offset: index * 1000,
      bytes: plain.subarray(index * 1000, (index + 1) * 1000),
    }));
    const whole = flattenedSample(pieces);
    const dump = await openDump(write(whole));
    expect(dump).toMatchObject({ format: "kdump-flattened", complete: true, pages: 4 });
    dump.close();
    const cut = await openDump(write(whole.subarray(0, whole.length - 16)));
    expect(cut).toMatchObject({ complete: false, problems: [{ code: "truncated" }] });
    expect(Buffer.from(memoryOf(cut).read(PAGE_SIZE, PAGE_SIZE))).toEqual(page(1));
    cut.close();
    whole.writeBigInt64BE(-5n, whole.length - 16);
    const senseless = await openDump(write(whole));
    expect(senseless).toMatchObject({ complete: false, problems: [{ code: "truncated", offset: whole.length - 16 }] });
    senseless.close();
  });

  it("a record that lies 2^50 bytes off costs no memory", async () => {
    const plain = kdumpSample(small);
    const path = write(
      flattenedSample([
        { offset: 0, bytes: plain },
        { offset: 2 ** 50, bytes: page(1) },
      ]),
    );
    const { file } = arrangeFlattened(openDumpFile(path));
    expect(file.bytes).toBe(2 ** 50 + PAGE_SIZE);
    expect(() => file.read(0, 2 ** 40)).toThrow(expect.objectContaining({ code: "dump/truncated" }));
    file.close();
  });
});
