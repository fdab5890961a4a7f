import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, expect, it } from "vitest";
import { PAGE_SIZE, StopcodeError } from "../../src/binary/index.ts";
import { type Dump, openDump } from "../../src/dumpfile/index.ts";
import { sharedData, withPeers } from "../peers.ts";
import { elfSample } from "./elf-sample.ts";
import { flattenedSample, kdumpSample } from "./kdump-sample.ts";

const folder = mkdtempSync(join(tmpdir(), "stopcode-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** mulberry32: the same damage in every run. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Opens, or says that the refusal was a proper one. */
async function tryOpen(path: string): Promise<Dump | null> {
  const dump = await openDump(path).catch((error) => {
    expect(error).toBeInstanceOf(StopcodeError);
    expect(error.hint).toEqual(expect.any(String));
    return null;
  });
  expect(process.memoryUsage().arrayBuffers).toBeLessThan(2 ** 29);
  return dump;
}

/** Some pages of a dump; null for one that cannot be read. */
function samplePages(dump: Dump, random: (below: number) => number): [pfn: number, bytes: Uint8Array | null][] {
  if (dump.memory.kind !== "physical") throw new Error("no physical memory");
  const { memory } = dump;
  const runs = memory.runs();
  return Array.from({ length: runs.length === 0 ? 0 : 8 }, () => {
    const { firstPage, pageCount } = runs[random(runs.length)]!;
    const pfn = firstPage + random(pageCount);
    expect(memory.pageState(pfn)).toBe("present");
    try {
      return [pfn, memory.read(pfn * PAGE_SIZE, PAGE_SIZE)];
    } catch (error) {
      expect(error).toBeInstanceOf(StopcodeError);
      return [pfn, null];
    }
  });
}

/** Cuts the file shorter and shorter: what is said to be there is there and right, and no cut goes unnoticed. */
async function cutShort(path: string, cuts: number, headBytes: number, behindMemory = 0): Promise<void> {
  const random = seeded(1);
  const whole = await openDump(path);
  const copy = join(folder, "cut");
  copyFileSync(path, copy);
  const descriptor = openSync(copy, "r+");
  const { size } = statSync(path);
  const lengths = Array.from({ length: cuts }, (_, index) =>
    random(index % 2 === 0 ? size : Math.min(size, headBytes)),
  );
  let readable = 0;
  for (const length of [size - behindMemory - 1, ...lengths].sort((a, b) => b - a)) {
    ftruncateSync(descriptor, length);
    const dump = await tryOpen(copy);
    if (dump === null) continue;
    expect([length, dump.complete, dump.problems.length > 0]).toEqual([length, false, true]);
    for (const [pfn, bytes] of samplePages(dump, random)) {
      if (whole.memory.kind !== "physical" || bytes === null)
        throw new Error(`page ${pfn} of ${length} bytes is promised and not there`);
      expect(Buffer.compare(bytes, whole.memory.read(pfn * PAGE_SIZE, PAGE_SIZE))).toBe(0);
      readable++;
    }
    dump.close();
  }
  expect(readable).toBeGreaterThan(cuts);
  closeSync(descriptor);
  whole.close();
}

/** Damages a few bytes of the first `headBytes`, opens, reads, repairs. */
async function flipBytes(path: string, flips: number, headBytes: number): Promise<void> {
  const random = seeded(2);
  const copy = join(folder, "flipped");
  copyFileSync(path, copy);
  const descriptor = openSync(copy, "r+");
  for (let round = 0; round < flips; round++) {
    const at = random(headBytes - 8);
    const before = Buffer.alloc(1 + random(8));
    readSync(descriptor, before, 0, before.length, at);
    const damage = round % 3 === 0 ? Buffer.alloc(before.length, 0xff) : Buffer.from(before.map(() => random(256)));
    writeSync(descriptor, damage, 0, damage.length, at);
    const dump = await tryOpen(copy);
    if (dump) samplePages(dump, random);
    dump?.close();
    writeSync(descriptor, before, 0, before.length, at);
  }
  closeSync(descriptor);
}

const page = (seed: number) => Buffer.from(`page ${seed}, `.repeat(1000)).subarray(0, PAGE_SIZE);
const frames = Array.from({ length: 60 }, (_, index) => index * 2 + (index >> 3));
const kdump = kdumpSample({
  pages: new Map(frames.map((pfn) => [pfn, page(pfn)])),
  storage: ["zlib", "raw", "snappy", "zstd"],
  maxPage: 256,
});
const status = { name: "CORE", type: 1, bytes: new Uint8Array(336) };
const samples = {
  kdump: [kdump, 6 * PAGE_SIZE],
  flattened: [
    flattenedSample(
      Array.from({ length: Math.ceil(kdump.length / 700) }, (_, index) => ({
        offset: index * 700,
        bytes: kdump.subarray(index * 700, (index + 1) * 700),
      })),
    ),
    8 * PAGE_SIZE,
  ],
  elf: [
    elfSample({
      segments: frames.map((pfn) => ({ address: (pfn + 1) * PAGE_SIZE, bytes: page(pfn) })),
      notes: [status, { name: "VMCOREINFO", type: 0, bytes: Buffer.from("OSRELEASE=1\n") }],
    }),
    4300,
  ],
} as const;

it.each(Object.entries(samples))("%s: 300 cuts and 300 damaged headers", async (name, [bytes, headBytes]) => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  await cutShort(path, 300, headBytes);
  await flipBytes(path, 300, headBytes);
});

withPeers({ data: "linux/expected.json" }).it.each([
  ["mkdf-list-6.12.d31.kdump", 600_000],
  ["qemu-live-6.12cloud.kdump", 1_000_000],
  ["qemu-oom-6.1cloud.elf.gz", 6000],
])("%s: 40 cuts and 40 damaged headers", async (name, headBytes) => {
  let path = sharedData(`linux/${name}`);
  if (name.endsWith(".gz")) {
    const packed = readFileSync(path);
    path = join(folder, "unpacked");
    writeFileSync(path, gunzipSync(packed));
  }
  // QEMU ends an ELF dump with a table of section names, of 11 bytes.
  await cutShort(path, 40, headBytes, name.endsWith(".gz") ? 11 : 0);
  await flipBytes(path, 40, headBytes);
});
