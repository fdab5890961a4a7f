import { readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import type { Dump, TriageParts, WindowsHeader } from "../../../src/dumpfile/dump.ts";
import { openDumpFile } from "../../../src/dumpfile/file.ts";
import {
  contextRegisters,
  debuggerData64,
  eprocess,
  exceptionRecord64,
  openWindowsDump,
} from "../../../src/dumpfile/windows/index.ts";
import { sharedData, withPeers } from "../../peers.ts";

const FILETIME_1970 = 116444736000000000n;
const iso = (fileTime: bigint) => new Date(Number((fileTime - FILETIME_1970) / 10000n)).toISOString();

interface Triage {
  readonly dump: Dump;
  readonly windows: WindowsHeader;
  readonly triage: TriageParts;
  readonly file: Buffer;
  read(address: bigint, length: number): Buffer;
}

function openTriage(path: string): Triage {
  const dump = openWindowsDump(openDumpFile(sharedData(path)));
  const { header, memory } = dump;
  if (header.kind !== "windows" || header.triage === null || memory.kind !== "virtual")
    throw new Error("not a triage dump");
  return {
    dump,
    windows: header.windows,
    triage: header.triage,
    file: readFileSync(sharedData(path)),
    read: (address, length) => Buffer.from(memory.read(address, length) ?? []),
  };
}

/** What the data's own README and rizin's recordings say of the two files. */
const REAL = [
  {
    path: "windows/rizin/triage_x64.dmp",
    registers: "windows/expected/triage_x64.regs.tsv",
    arch: "x86_64",
    stopCode: 0x1000007e,
    drivers: 151,
    unloaded: 4,
    dataBlocks: 1831,
    processors: 16,
    crashedAt: "2021-02-21T01:38:22",
    upTime: 3.7,
    build: 19041,
    lab: /^19041\.\d+\.amd64fre\./,
    imageFileName: eprocess.fields.imageFileName.offset,
  },
  {
    path: "windows/rizin/triage_arm64.dmp",
    registers: "windows/expected/triage_arm64.regs.tsv",
    arch: "arm64",
    stopCode: 0x1c8,
    drivers: 245,
    unloaded: 11,
    dataBlocks: 679,
    processors: 8,
    crashedAt: "2021-09-14T02:51:58",
    upTime: 796.7,
    build: 22000,
    lab: /^22000\.\d+\.arm64fre\./,
    imageFileName: 0x560, // windows-dump.md section 4
  },
] as const;

describe.each(REAL)("the real triage dump $path", (real) => {
  const { it } = withPeers({ data: real.path }, { data: real.registers });

  it("opens whole: stop code, times, machine", () => {
    const { dump, windows } = openTriage(real.path);
    expect(dump).toMatchObject({ format: "windows-triage", arch: real.arch, complete: true, problems: [], pages: 0 });
    expect(dump.stopCode?.code).toBe(real.stopCode);
    expect(windows).toMatchObject({ processors: real.processors, build: real.build, productType: 1, memoryRuns: null });
    expect(iso(windows.systemTime!)).toContain(real.crashedAt);
    expect(Number(windows.systemUpTime! / 1_000_000n) / 10).toBe(real.upTime);
  });

  it("lists its drivers, unloaded drivers and data blocks", () => {
    const { triage } = openTriage(real.path);
    expect(triage.drivers).toHaveLength(real.drivers);
    expect(triage.unloaded).toHaveLength(real.unloaded);
    expect(triage.dataBlocks).toBe(real.dataBlocks);
    expect(triage.drivers[0]!.path).toBe("\\SystemRoot\\system32\\ntoskrnl.exe");
    for (const driver of triage.drivers) expect(driver.path).toMatch(/^\\.+\\[\w.-]+\.(sys|dll|exe)$/i);
    for (const driver of triage.unloaded) {
      expect(driver.name).toMatch(/^[\w.]{5,12}$/);
      expect(driver.end).toBeGreaterThan(driver.start);
    }
  });

  it("reads through one view what lies in blocks and in the slots of the crashing processor", () => {
    const { windows, triage, read, dump } = openTriage(real.path);
    const kernel = debuggerData64.read(triage.debuggerData!);
    expect(kernel.kernBase).toBe(triage.drivers[0]!.base);
    expect(read(windows.debuggerDataBlock + 0x10n, 4).toString("latin1")).toBe("KDBG");
    expect(read(kernel.ntBuildLab, 40).toString("latin1")).toMatch(real.lab);
    const number = dump.cpus[0]!.index;
    const prcb = read(kernel.kiProcessorBlock + 8n * BigInt(number), 8).readBigUInt64LE();
    const thread = read(prcb + BigInt(kernel.offsetPrcbCurrentThread), 8).readBigUInt64LE();
    const process = read(thread + BigInt(kernel.offsetKThreadApcProcess), 8).readBigUInt64LE();
    expect(read(process + BigInt(real.imageFileName), 7).toString("latin1")).toBe("System\0");
    const stackBase = read(thread + BigInt(kernel.offsetKThreadStackBase), 8).readBigUInt64LE();
    expect(triage.topOfStack + BigInt(triage.callStack!.length)).toBe(stackBase);
    expect(read(triage.topOfStack, triage.callStack!.length).equals(triage.callStack!)).toBe(true);
    expect(read(stackBase - 4n, 8)).toHaveLength(0);
  });

  it("has the registers that rizin recorded, in the context its processor block points at", () => {
    const { triage, read, dump } = openTriage(real.path);
    const kernel = debuggerData64.read(triage.debuggerData!);
    const pointer = Buffer.from(triage.processorBlock!).readBigUInt64LE(kernel.offsetPrcbContext);
    const registers = contextRegisters(read(pointer, real.arch === "arm64" ? 0x390 : 0x4d0), dump.arch)!;
    const recorded = readFileSync(sharedData(real.registers), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split("\t") as [string, string])
      .filter(([name]) => !["mxcsr", "fpcr", "fpsr"].includes(name) && !/^v\d/.test(name));
    expect(recorded.length).toBeGreaterThan(17);
    for (const [name, value] of recorded) expect([name, registers[name]]).toEqual([name, BigInt(value)]);
  });

  it("walks the secondary data to the end of the file", () => {
    const { triage, dump, file } = openTriage(real.path);
    const last = triage.secondary.at(-1)!;
    expect(dump.bytes - (last.offset + last.bytes)).toBeLessThan(8);
    // The large record that every Windows 10 and 11 adds last, found here by its bytes.
    const tag = Buffer.from("10b7882b931c7c4fb06c655ecc50decc", "hex");
    expect(last.tag).toBe("2b88b710-1c93-4f7c-b06c-655ecc50decc");
    expect(last.offset).toBe(file.indexOf(tag) + 0x1c);
    for (const [index, record] of triage.secondary.slice(1).entries())
      expect(record.offset).toBeGreaterThanOrEqual(
        triage.secondary[index]!.offset + triage.secondary[index]!.bytes + 0x20,
      );
  });

  it("every data block is in the view, byte for byte", () => {
    const { triage, read, file } = openTriage(real.path);
    const list = file.readUInt32LE(0x2078);
    for (let index = 0; index < triage.dataBlocks; index++) {
      const at = list + index * 16;
      const offset = file.readUInt32LE(at + 8);
      const bytes = file.readUInt32LE(at + 12);
      expect(read(file.readBigUInt64LE(at), bytes).equals(file.subarray(offset, offset + bytes))).toBe(true);
    }
  });
});

describe("what parameters of a 0x7E point at", () => {
  const { it } = withPeers({ data: REAL[0].path });

  it("the exception record and the faulting context are in the saved stack", () => {
    const { dump, read } = openTriage(REAL[0].path);
    const [code, address, recordAddress, contextAddress] = dump.stopCode!.parameters;
    const record = exceptionRecord64.read(read(recordAddress, exceptionRecord64.size));
    expect(BigInt.asUintN(32, code)).toBe(BigInt(record.exceptionCode));
    expect(record.exceptionAddress).toBe(address);
    expect(contextRegisters(read(contextAddress, 0x4d0), "x86_64")).toMatchObject({ rip: address });
    expect(dump.cpus[0]).toMatchObject({ source: "header context", registers: { rip: address } });
  });
});

describe("a driver's line against the driver's file", () => {
  const { it } = withPeers({ data: REAL[0].path }, { data: "windows/symbols/Wdf01000.sys" });

  it("time stamp, check sum and size of Wdf01000.sys are those of its PE header", () => {
    const driver = openTriage(REAL[0].path).triage.drivers.find((entry) => entry.path.endsWith("\\Wdf01000.sys"))!;
    const image = readFileSync(sharedData("windows/symbols/Wdf01000.sys"));
    const header = image.readUInt32LE(0x3c);
    expect(driver.timeDateStamp).toBe(image.readUInt32LE(header + 8));
    expect(driver.size).toBe(image.readUInt32LE(header + 0x50));
    expect(driver.checkSum).toBe(image.readUInt32LE(header + 0x58));
  });
});

describe("the header of a real full dump (DumpIt, build 19045) with two pages", () => {
  const path = "windows/imhex/dmp64.hexpat.bin";
  const { it } = withPeers({ data: path });

  it("opens as far as it goes: five runs described, two pages there, the rest missing", () => {
    const dump = openWindowsDump(openDumpFile(sharedData(path)));
    if (dump.memory.kind !== "physical" || dump.header.kind !== "windows") throw new Error("not a full dump");
    expect(dump).toMatchObject({ format: "windows-full", pages: 0x7fe86, complete: false });
    expect(dump.problems).toMatchObject([{ code: "truncated", offset: 16384 }]);
    expect(dump.header.windows.memoryRuns).toHaveLength(5);
    expect(dump.stopCode?.code).toBe(Buffer.from("MATT").readUInt32LE());
    const [run] = dump.memory.runs();
    expect(dump.memory.runs()).toEqual([{ firstPage: dump.header.windows.memoryRuns![0]!.firstPage, pageCount: 2 }]);
    const body = readFileSync(sharedData(path)).subarray(0x2000);
    expect(Buffer.compare(dump.memory.read(run!.firstPage * 4096, 8192), body)).toBe(0);
    expect(dump.memory.pageState(run!.firstPage + 2)).toBe("absent");
  });
});
