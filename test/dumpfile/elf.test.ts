import { spawnSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { PAGE_SIZE, X64_REGISTERS } from "../../src/binary/index.ts";
import { type Dump, type DumpImage, elfVmcore, openDump, type PageSource } from "../../src/dumpfile/index.ts";
import { sharedData, withPeers } from "../peers.ts";
import { type ElfSample, elfSample } from "./elf-sample.ts";
import { difference, NO_DIFFERENCE, pagesOf, peerRegisters, readByKdumpfile } from "./kdumpfile-peer.ts";

const folder = mkdtempSync(join(tmpdir(), "stopcode-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
const nextPath = () => join(folder, `${++files}`);
const write = (data: Uint8Array): string => {
  const path = nextPath();
  writeFileSync(path, data);
  return path;
};
const opened = (sample: ElfSample) => openDump(write(elfSample(sample)));
const memoryOf = (dump: Dump) => {
  if (dump.memory.kind !== "physical") throw new Error("no physical memory");
  return dump.memory;
};

const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff);
const vmcoreinfo = { name: "VMCOREINFO", type: 0, bytes: Buffer.from("OSRELEASE=6.1.0-sample\nPAGESIZE=4096\n") };

describe("ELF vmcore", () => {
  it("is read by e_phoff, whatever e_ehsize says and wherever the section headers stand (QEMU 7.2)", async () => {
    const dump = await opened({
      segments: [{ address: 0x10_0000, bytes: bytes(8192, 1), virtualAddress: 0xffff_0000_0040_0000n }],
      notes: [vmcoreinfo],
      sectionsFirst: true,
    });
    expect(dump).toMatchObject({ format: "elf-vmcore", arch: "x86_64", pages: 2, complete: true, problems: [] });
    expect(dump.header).toMatchObject({ vmcoreinfo: vmcoreinfo.bytes.toString() });
    expect(Buffer.from(memoryOf(dump).read(0x10_0ff0, 32))).toEqual(
      Buffer.from(bytes(8192, 1).subarray(0xff0, 0x1010)),
    );
    dump.close();
  });

  it("segments that overlap or adjoin in any order read as a byte array filled from them", async () => {
    // The same byte always has the same value, as two names of one page have.
    const truth = bytes(40_000, 7);
    const segment = fc.record({ from: fc.nat(30_000), length: fc.integer({ min: 1, max: 9000 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(segment, { minLength: 1, maxLength: 12, size: "max" }),
        fc.nat(39_999),
        fc.nat(9000),
        async (list, at, length) => {
          const dump = await opened({
            segments: list.map(({ from, length: some }) => ({ address: from, bytes: truth.slice(from, from + some) })),
            // One segment at 0 only would be taken for the core of a process.
            notes: [vmcoreinfo],
          }).catch((error) => (error.code === "dump/user-core" ? null : Promise.reject(error)));
          if (!dump) return;
          const memory = memoryOf(dump);
          const held = new Uint8Array(49_152);
          for (const { from, length: some } of list) held.fill(1, from, from + some);
          const pages = Array.from({ length: 12 }, (_, pfn) =>
            held.subarray(pfn * PAGE_SIZE, (pfn + 1) * PAGE_SIZE).every((one) => one === 1),
          );
          expect(pages.map((_, pfn) => memory.pageState(pfn) === "present")).toEqual(pages);
          const inRuns = memory
            .runs()
            .flatMap(({ firstPage, pageCount }) => Array.from({ length: pageCount }, (_, index) => firstPage + index));
          expect(inRuns).toEqual(pages.flatMap((whole, pfn) => (whole ? [pfn] : [])));
          expect(dump.pages).toBe(inRuns.length);
          if (length > 0 && held.subarray(at, at + length).every((one) => one === 1))
            expect(Buffer.from(memory.read(at, length)).equals(truth.subarray(at, at + length))).toBe(true);
          else if (length > 0)
            expect(() => memory.read(at, length)).toThrow(expect.objectContaining({ code: "memory/absent" }));
          dump.close();
        },
      ),
      { numRuns: 100 },
    );
  });

  it("e_phnum 0xffff: 70,000 segments that are names of two pages are two pages", async () => {
    const page = bytes(PAGE_SIZE, 3);
    const segments = Array.from({ length: 70_000 }, (_, index) => ({
      address: index % 2 === 0 ? 0x5000 : 0x9000,
      bytes: page,
      ...(index > 1 && { aliasOf: index % 2 }),
    }));
    const dump = await opened({ segments, extendedCount: true });
    expect(dump.problems).toEqual([]);
    expect(memoryOf(dump).runs()).toEqual([
      { firstPage: 5, pageCount: 1 },
      { firstPage: 9, pageCount: 1 },
    ]);
    dump.close();
  });

  it("memory past p_filesz is absent, not zero: its writer left it out", async () => {
    const dump = await opened({ segments: [{ address: 0x1000, bytes: bytes(4096, 1), memoryBytes: 0x10_0000 }] });
    expect(memoryOf(dump).pageState(1)).toBe("present");
    expect(memoryOf(dump).pageState(2)).toBe("absent");
    expect(() => memoryOf(dump).read(0x1ff8, 16)).toThrow(expect.objectContaining({ code: "memory/absent" }));
    expect(dump.complete).toBe(true);
    dump.close();
  });

  it("a dump without QEMU's notes has the user's GS base in NT_PRSTATUS, and unknown notes are kept", async () => {
    const status = Buffer.alloc(336);
    status.writeInt32LE(123, 32);
    for (let slot = 0; slot < 27; slot++) status.writeBigUInt64LE(BigInt(slot + 1), 112 + slot * 8);
    const dump = await opened({
      segments: [{ address: 0x1000, bytes: bytes(4096, 1) }],
      notes: [
        { name: "CORE", type: 1, bytes: status },
        { name: "ERASEINFO", type: 0, bytes: Buffer.from("odd") },
      ],
    });
    expect(dump.cpus).toMatchObject([{ index: 0, source: "NT_PRSTATUS", pid: 123 }]);
    // ptrace's order: r15 first, rip 17th, rsp 20th, gs_base 23rd.
    expect(dump.cpus[0]!.registers).toMatchObject({
      r15: 1n,
      rax: 11n,
      rip: 17n,
      rsp: 20n,
      kernelGsBase: 23n,
      gs: 27n,
    });
    expect(dump.cpus[0]!.registers).not.toHaveProperty("gsBase");
    expect(
      Object.keys(dump.cpus[0]!.registers).every((name) => (X64_REGISTERS as readonly string[]).includes(name)),
    ).toBe(true);
    expect(dump.notes[1]).toEqual({ name: "ERASEINFO", type: 0, bytes: new Uint8Array(Buffer.from("odd")) });
    dump.close();
  });

  it.each([
    ["a 32-bit ELF file", { class: 1 }, "dump/unsupported-class"],
    ["a big-endian one", { order: 2 }, "dump/unsupported-byte-order"],
    ["another machine's", { machine: 243 }, "dump/unsupported-machine"],
    ["the core of a process", { notes: [{ name: "CORE", type: 6, bytes: new Uint8Array(16) }] }, "dump/user-core"],
  ])("refuses %s", async (_, change, code) => {
    const segments = [{ address: 0x1000, bytes: bytes(4096, 1) }];
    await expect(opened({ segments, ...change })).rejects.toMatchObject({ code, hint: expect.any(String) });
  });

  it("refuses a program: this very Node", async () => {
    await expect(openDump(process.execPath)).rejects.toMatchObject({ code: "dump/unsupported-elf-type" });
  });

  it("opens AArch64 with its memory and says that its registers are not read", async () => {
    const dump = await opened({ segments: [{ address: 0x4000_0000, bytes: bytes(4096, 1) }], machine: 183 });
    expect(dump).toMatchObject({
      arch: "arm64",
      cpus: [],
      pages: 1,
      complete: true,
      problems: [{ code: "registers-not-read" }],
    });
    dump.close();
  });

  it("cut off in its memory, its notes or its program headers, it opens as far as it goes", async () => {
    const whole = elfSample({
      segments: [0, 1, 2].map((n) => ({ address: 0x1000 * (n + 1), bytes: bytes(4096, n) })),
      notes: [vmcoreinfo],
    });
    const cut = async (length: number) => {
      const dump = await openDump(write(whole.subarray(0, length)));
      dump.close();
      return { pages: dump.pages, complete: dump.complete, codes: [...new Set(dump.problems.map(({ code }) => code))] };
    };
    const truncated = { complete: false, codes: ["truncated"] };
    expect(await cut(whole.length)).toEqual({ pages: 3, complete: true, codes: [] });
    expect(await cut(whole.length - 1)).toEqual({ pages: 2, ...truncated });
    expect(await cut(64 + 4 * 56 + 20)).toEqual({ pages: 0, ...truncated });
    expect(await cut(64 + 56 + 10)).toEqual({ pages: 0, ...truncated });
    await expect(cut(63)).rejects.toMatchObject({ code: "dump/truncated" });
  });
});

/** Writes an image; `headers` alone leaves the memory a hole of zeros. */
function save(image: DumpImage, headers = Number.POSITIVE_INFINITY): string {
  const path = nextPath();
  const descriptor = openSync(path, "w");
  let written = 0;
  for (const chunk of image.chunks()) {
    expect(chunk.length).toBeLessThanOrEqual(2 ** 20);
    writeSync(descriptor, chunk);
    written += chunk.length;
    if (written >= headers) break;
  }
  if (headers < image.bytes) ftruncateSync(descriptor, image.bytes);
  else expect(written).toBe(image.bytes);
  closeSync(descriptor);
  return path;
}

const sourceOf = (dump: Dump): PageSource => {
  const memory = memoryOf(dump);
  return { runs: memory.runs(), read: (first, count) => memory.read(first * PAGE_SIZE, count * PAGE_SIZE) };
};

const registers = Object.fromEntries(
  [
    "rax",
    "rbx",
    "rcx",
    "rdx",
    "rsi",
    "rdi",
    "rbp",
    "rsp",
    "rip",
    "rflags",
    "r8",
    "r15",
    "cs",
    "ss",
    "gsBase",
    "fsBase",
    "kernelGsBase",
    "cr0",
    "cr3",
    "cr4",
  ].map((name, index) => [
    name,
    name.length === 2 ? BigInt(index + 16) : 0xffff_8000_0000_0000n + BigInt(index * 0x1111),
  ]),
);

describe("elfVmcore", () => {
  const contents = {
    processors: [0, 1].map((index) => ({
      index,
      registers: { ...registers, rip: 0xffff_ffff_8100_0000n + BigInt(index) },
    })),
    notes: [vmcoreinfo],
    pages: {
      runs: [
        { firstPage: 1, pageCount: 600 },
        { firstPage: 0x10_0000, pageCount: 3 },
      ],
      read: (first: number, count: number) => bytes(count * PAGE_SIZE, first),
    },
  };

  withPeers({ program: "readelf" }).it("readelf finds the segments and the notes", () => {
    const { stdout, stderr } = spawnSync("readelf", ["-W", "-l", "-n", save(elfVmcore(contents))], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    const loads = [...stdout.matchAll(/LOAD +(0x\w+) (0x\w+) (0x\w+) (0x\w+) (0x\w+) RWE/g)].map((match) =>
      match.slice(1, 6).map(Number),
    );
    expect(loads).toEqual([
      [0x1000, 0, 0x1000, 600 * PAGE_SIZE, 600 * PAGE_SIZE],
      [0x1000 + 600 * PAGE_SIZE, 0, 0x1_0000_0000, 3 * PAGE_SIZE, 3 * PAGE_SIZE],
    ]);
    const notes = [...stdout.matchAll(/^ {2}(CORE|QEMU|VMCOREINFO) +(0x\w+)/gm)].map((match) => [
      match[1],
      Number(match[2]),
    ]);
    expect(notes).toEqual([
      ["CORE", 336],
      ["CORE", 336],
      ["QEMU", 440],
      ["QEMU", 440],
      ["VMCOREINFO", vmcoreinfo.bytes.length],
    ]);
  });

  withPeers({ program: "readelf" }, { python: "kdumpfile" }).it(
    "more than 65,534 runs: readelf, libkdumpfile and this project count them by section 0",
    async () => {
      const runs = Array.from({ length: 70_000 }, (_, index) => ({ firstPage: index * 2, pageCount: 1 }));
      const image = elfVmcore({ ...contents, pages: { runs, read: () => bytes(PAGE_SIZE, 0) } });
      const path = save(image, image.bytes - 70_000 * PAGE_SIZE);
      const { stdout } = spawnSync("readelf", ["-W", "-l", path], { encoding: "utf8", maxBuffer: 2 ** 26 });
      expect(stdout).toContain("There are 70001 program headers");
      expect(stdout.match(/LOAD/g)).toHaveLength(70_000);
      expect(readByKdumpfile(path, 1000).pageCount).toBe(70_000);
      const dump = await openDump(path);
      expect(dump).toMatchObject({ pages: 70_000, complete: true, problems: [] });
      expect(memoryOf(dump).runs()).toEqual(runs);
      dump.close();
    },
  );

  withPeers({ program: "gdb" }).it("gdb takes it for a core with these threads and registers", () => {
    const commands = ["info threads", "p/x $rip", "p/x $rsp", "p/x $r15", "thread 2", "p/x $rip"].flatMap((one) => [
      "-ex",
      one,
    ]);
    const { stdout } = spawnSync("gdb", ["-nx", "-batch", "-c", save(elfVmcore(contents)), ...commands], {
      encoding: "utf8",
    });
    const printed = [...stdout.matchAll(/^\$\d = (0x\w+)$/gm)].map((match) => BigInt(match[1]!));
    expect(printed).toEqual([0xffff_ffff_8100_0000n, registers.rsp, registers.r15, 0xffff_ffff_8100_0001n]);
  });

  withPeers({ python: "kdumpfile" }).it("libkdumpfile reads the pages and the registers that went in", () => {
    const theirs = readByKdumpfile(save(elfVmcore(contents)));
    expect(theirs.pages.map(([pfn]) => pfn)).toEqual([
      ...Array.from({ length: 600 }, (_, index) => index + 1),
      0x10_0000,
      0x10_0001,
      0x10_0002,
    ]);
    expect(theirs.processors).toHaveLength(2);
    const { kernelGsBase, cr0, cr3, cr4, ...inPrstatus } = contents.processors[1]!.registers as Record<string, bigint>;
    expect(peerRegisters(theirs.processors[1]!)).toMatchObject(inPrstatus);
    expect(theirs.processors[1]!.pid).toBe(2);
  });

  withPeers({ data: "linux/expected.json" }, { python: "kdumpfile" }, { program: "makedumpfile" }).it(
    "a real kdump written as ELF: libkdumpfile and makedumpfile read in it what they read in the kdump",
    async () => {
      const path = sharedData("linux/mkdf-initexit-6.1cloud.d31.zstd.kdump");
      const dump = await openDump(path);
      const image = elfVmcore({ processors: dump.cpus, notes: dump.notes, pages: sourceOf(dump) });
      expect(image.pages).toBe(dump.pages);
      const converted = save(image);
      const [before, after] = [readByKdumpfile(path), readByKdumpfile(converted)];
      expect(difference(after.pages, before.pages)).toEqual(NO_DIFFERENCE);
      expect(after.processors).toEqual(before.processors);
      const log = nextPath();
      spawnSync("makedumpfile", ["--dump-dmesg", converted, log]);
      const oracle = sharedData("linux/oracle/mkdf-initexit-6.1cloud.d31.zstd.kdump/dmesg-makedumpfile.txt");
      expect(readFileSync(log, "utf8")).toBe(readFileSync(oracle, "utf8"));
      const again = await openDump(converted);
      expect(again.cpus).toEqual(dump.cpus);
      expect(again.header).toMatchObject({ vmcoreinfo: (dump.header as { vmcoreinfo: string }).vmcoreinfo });
      expect(difference(pagesOf(again), before.pages)).toEqual(NO_DIFFERENCE);
      again.close();
      dump.close();
    },
  );

  it("what it wrote is read back: every register that either note has a place for", async () => {
    const everywhere = Object.fromEntries(
      X64_REGISTERS.filter((name) => name !== "cr8" && name !== "efer").map((name, index) => [name, BigInt(index + 1)]),
    );
    const dump = await openDump(save(elfVmcore({ ...contents, processors: [{ index: 0, registers: everywhere }] })));
    expect(dump.cpus[0]!.registers).toEqual(everywhere);
    dump.close();
  });
});
