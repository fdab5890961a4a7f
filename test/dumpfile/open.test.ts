import { spawnSync } from "node:child_process";
import { createCipheriv } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { unpackGzip } from "../../src/dumpfile/gunzip.ts";
import { openDump } from "../../src/dumpfile/index.ts";
import { sharedData, withPeers } from "../peers.ts";
import { elfSample } from "./elf-sample.ts";
import { flattenedSample, kdumpSample } from "./kdump-sample.ts";

const folder = mkdtempSync(join(tmpdir(), "stopcode-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

let files = 0;
const write = (data: Uint8Array | string): string => {
  const path = join(folder, `${++files}`);
  writeFileSync(path, data);
  return path;
};

const memory = Buffer.from("memory ".repeat(5000)).subarray(0, 8 * 4096);
const elf = elfSample({
  segments: [{ address: 0x1000, bytes: memory }],
  notes: [{ name: "VMCOREINFO", type: 0, bytes: Buffer.from("OSRELEASE=6.1.0-sample\n") }],
});
const kdump = kdumpSample({ pages: new Map([[3, memory.subarray(0, 4096)]]), storage: ["zlib"], maxPage: 8 });

describe("a dump is told by its first bytes", () => {
  it.each([
    ["ELF", elf, "elf-vmcore"],
    ["kdump", kdump, "kdump"],
    ["kdump in the flattened form", flattenedSample([{ offset: 0, bytes: kdump }]), "kdump-flattened"],
    ["ELF in the flattened form", flattenedSample([{ offset: 0, bytes: elf }]), "elf-vmcore"],
    ["kdump packed with gzip", gzipSync(kdump), "kdump"],
    ["a flattened kdump packed with gzip", gzipSync(flattenedSample([{ offset: 0, bytes: kdump }])), "kdump-flattened"],
  ])("%s", async (_, data, format) => {
    const path = write(data);
    const dump = await openDump(path);
    expect(dump).toMatchObject({ format, file: path, bytes: data.length, complete: true, problems: [] });
    dump.close();
  });

  it.each([
    ["an empty file", "", "dump/empty", /empty/],
    ["a user minidump", "MDMP\x93\xa7\0\0", "dump/unsupported-kind", /minidump of a user process/],
    ["zstd", zstdCompressSync(elf), "dump/unsupported-kind", /zstd/],
    ["gzip twice", gzipSync(gzipSync(elf)), "dump/unsupported-kind", /gzip twice/],
    ["gzip of a text", gzipSync("some text"), "dump/unknown-kind", /73 6f 6d 65 20 74 65 78 74/],
    [
      "a flattened stream of a text",
      flattenedSample([{ offset: 0, bytes: Buffer.from("some text") }]),
      "dump/unknown-kind",
      /73 6f/,
    ],
    [
      "a flattened stream in a flattened stream",
      flattenedSample([{ offset: 0, bytes: flattenedSample([]) }]),
      "dump/unsupported-kind",
      /flattened/,
    ],
    ["a flattened stream without records", flattenedSample([]), "dump/empty", /empty/],
    [
      "a text",
      "hello, world, this is no dump",
      "dump/unknown-kind",
      /68 65 6c 6c 6f 2c 20 77 6f 72 6c 64 2c 20 74 68$/,
    ],
  ])("%s is refused by name, at byte 0, with what to do", async (_, data, code, message) => {
    const path = write(data);
    await expect(openDump(path)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      where: { file: path, offset: 0 },
      hint: expect.any(String),
      exitCode: 3,
    });
  });

  for (const [program, options, name, advice] of [
    ["xz", ["-c"], /xz/, /xz -dk/],
    ["bzip2", ["-c"], /bzip2/, /bzip2 -dk/],
    ["lz4", ["-c"], /lz4/, /lz4 -d/],
    ["zip", ["-q", "-"], /zip archive/, /unzip/],
  ] as const)
    withPeers({ program }).it(`what ${program} packed is refused by name`, async () => {
      const { stdout } = spawnSync(program, [...options, write(elf)]);
      await expect(openDump(write(stdout))).rejects.toMatchObject({
        code: "dump/unsupported-kind",
        message: expect.stringMatching(name),
        hint: expect.stringMatching(advice),
      });
    });

  withPeers({ data: "linux/expected.json" }).it("a raw image of a PC's memory is refused by name", async () => {
    const dump = await openDump(sharedData("linux/qemu-live-6.12cloud.kdump"));
    if (dump.memory.kind !== "physical") throw new Error("no physical memory");
    const path = write(dump.memory.read(0, 0x10000));
    dump.close();
    await expect(openDump(path)).rejects.toMatchObject({
      code: "dump/unsupported-kind",
      message: expect.stringMatching(/raw image/),
    });
  });

  withPeers({ data: "windows/rizin/triage_x64.dmp" }).it("a Windows dump, plain and packed with gzip", async () => {
    const plain = sharedData("windows/rizin/triage_x64.dmp");
    for (const path of [plain, write(gzipSync(readFileSync(plain)))]) {
      const dump = await openDump(path);
      expect(dump).toMatchObject({ format: "windows-triage", arch: "x86_64", file: path, bytes: statSync(path).size });
      dump.close();
    }
  });

  withPeers({ data: "windows/fuzz" }).it("minidumps of user processes, whole or found by fuzzers", async () => {
    for (const folder of ["windows/mdmp", "windows/fuzz"].map(sharedData))
      for (const name of readdirSync(folder))
        expect([name, await openDump(join(folder, name)).catch((error) => error.code)]).toEqual([
          name,
          expect.stringMatching(/^dump\/(unsupported|unknown)-kind$/),
        ]);
  });

  it("a missing file and a folder are I/O errors", async () => {
    await expect(openDump(join(folder, "none"))).rejects.toMatchObject({ code: "io/open", exitCode: 4 });
    await expect(openDump(folder)).rejects.toMatchObject({ code: "io/open", exitCode: 4 });
  });
});

describe("a dump packed with gzip", () => {
  const temporary = () => {
    const path = mkdtempSync(join(folder, "tmp-"));
    vi.stubEnv("TMPDIR", path);
    return path;
  };

  it("is unpacked to a temporary file of which nothing is left after close()", async () => {
    const place = temporary();
    const dump = await openDump(write(gzipSync(elf)));
    if (dump.memory.kind !== "physical") throw new Error("no physical memory");
    expect(Buffer.from(dump.memory.read(0x1000, memory.length)).equals(memory)).toBe(true);
    dump.close();
    expect(readdirSync(place)).toEqual([]);
  });

  it("is looked at after its first bytes: what is no dump is not unpacked any further", async () => {
    const place = temporary();
    const path = write(gzipSync(Buffer.alloc(2 ** 24)));
    const seen: number[] = [];
    const refuse = (first: Uint8Array) => {
      seen.push(first.length);
      throw new Error("not this");
    };
    await expect(unpackGzip(path, refuse)).rejects.toThrow("not this");
    expect(seen).toEqual([2 ** 14]);
    expect(readdirSync(place)).toEqual([]);
  });

  it("leaves nothing behind when what was packed is refused", async () => {
    const place = temporary();
    await expect(openDump(write(gzipSync("no dump")))).rejects.toMatchObject({ code: "dump/unknown-kind" });
    await expect(openDump(write(gzipSync(elf.subarray(0, 30))))).rejects.toMatchObject({ code: "dump/truncated" });
    expect(readdirSync(place)).toEqual([]);
  });

  it("cut off, or damaged in its middle, is read as far as it goes", async () => {
    // Bytes that do not compress: what stands in the file's first half stands in the dump's first half.
    const noise = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(200_000));
    const packed = gzipSync(elfSample({ segments: [{ address: 0x1000, bytes: noise }] }));
    const damaged = Buffer.from(packed);
    damaged.fill(0xff, packed.length >> 1, (packed.length >> 1) + 64);
    for (const [code, data] of [
      ["truncated", packed.subarray(0, packed.length >> 1)],
      ["damaged", damaged],
    ] as const) {
      const dump = await openDump(write(data));
      expect(dump.complete).toBe(false);
      expect(dump.problems.map(({ code }) => code)).toContain(code);
      if (dump.memory.kind !== "physical") throw new Error("no physical memory");
      expect(dump.pages).toBeGreaterThan(0);
      expect(Buffer.from(dump.memory.read(0x1000, 4096)).equals(noise.subarray(0, 4096))).toBe(true);
      dump.close();
    }
  });

  it("without room for the temporary file the error says which folder to change", async () => {
    const place = temporary();
    rmSync(place, { recursive: true });
    await expect(openDump(write(gzipSync(elf)))).rejects.toMatchObject({
      code: "io/temporary-file",
      where: { file: place },
      hint: expect.stringMatching("TMPDIR"),
      exitCode: 4,
    });
  });
});
