import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { analyze, facts } from "../../src/analysis/index.ts";
import { PAGE_SIZE, type PhysicalMemory, type Registers } from "../../src/binary/index.ts";
import {
  DUMP_HEADER_SIZE,
  type DumpNote,
  debuggerData64,
  dumpHeader64,
  elfVmcore,
  KDBG_TAG,
  loaderEntry,
  MACHINE,
  openDump,
  PAGE_FILL,
  PAGE_FILL_64,
  PAGE_SIGNATURE,
  VALID_DUMP,
} from "../../src/dumpfile/index.ts";
import { sharedData, withPeers } from "../peers.ts";
import { LaidOutKernel } from "./nt/laid-out-kernel.ts";

const folder = mkdtempSync(join(tmpdir(), "stopcode-analyze-"));
afterAll(() => rmSync(folder, { recursive: true }));

const LIST = 0xffff_f800_0000_1000n;
const ENTRY = 0xffff_f800_0000_2000n;
const KDBG = 0xffff_f800_0000_3000n;
const BUG_CHECK_DATA = 0xffff_f800_0000_4000n;
const RIP = 0xffff_f800_0010_1234n;

/** An ELF dump as QEMU makes one of a guest: its memory, a processor, and the note that the guest registered. */
function elfDump(name: string, kernel: LaidOutKernel, notes: readonly DumpNote[]): string {
  const registers = { rip: RIP, rsp: 0xffff_9000_0000_0000n, cr3: BigInt(kernel.root * PAGE_SIZE) };
  return writeElf(name, kernel.memory, registers, notes);
}

function writeElf(name: string, memory: PhysicalMemory, registers: Registers, notes: readonly DumpNote[]): string {
  const path = join(folder, name);
  const pages = {
    runs: memory.runs(),
    read: (first: number, count: number) => memory.read(first * PAGE_SIZE, count * PAGE_SIZE),
  };
  const file = openSync(path, "w");
  for (const chunk of elfVmcore({ processors: [{ index: 0, registers }], notes, pages }).chunks())
    writeSync(file, chunk);
  closeSync(file);
  return path;
}

function windowsNote(kernel: LaidOutKernel, bugCheckCode: number): DumpNote {
  const bytes = new Uint8Array(DUMP_HEADER_SIZE);
  new Uint32Array(bytes.buffer).fill(PAGE_FILL);
  dumpHeader64.write(bytes, 0, {
    ...{ signature: PAGE_SIGNATURE, validDump: VALID_DUMP.bits64, majorVersion: 15, minorVersion: 19041 },
    ...{
      directoryTableBase: BigInt(kernel.root * PAGE_SIZE),
      psLoadedModuleList: LIST,
      psActiveProcessHead: LIST + 16n,
    },
    ...{ machineImageType: MACHINE.x64, numberProcessors: 1, bugCheckCode, kdDebuggerDataBlock: KDBG },
    ...{ bugCheckParameter1: PAGE_FILL_64, contextRecord: new Uint8Array(3000), numberOfRuns: 0, numberOfPages: 0 },
  });
  return { name: "VMCOREINFO", type: 0, bytes };
}

function windowsGuest(): LaidOutKernel {
  const kernel = new LaidOutKernel();
  kernel.putWords(LIST, ENTRY, ENTRY, LIST + 16n, LIST + 16n);
  kernel.putLayout(loaderEntry, ENTRY, { dllBase: 0xffff_f800_0010_0000n, sizeOfImage: 0x10000 });
  kernel.putWords(ENTRY, LIST, LIST);
  kernel.putUnicodeString(ENTRY + BigInt(loaderEntry.fields.baseDllName.offset), "ntoskrnl.exe", ENTRY + 0x200n);
  kernel.putLayout(debuggerData64, KDBG, { ownerTag: KDBG_TAG, kiBugcheckData: BUG_CHECK_DATA });
  kernel.putWords(BUG_CHECK_DATA, 0n, 0n, 0n, 0n, 0n);
  return kernel;
}

describe("an ELF dump says by its note what ran in it", () => {
  it("a Windows dump header: its lists are walked, and without a stop code nothing crashed", async () => {
    const kernel = windowsGuest();
    const found = await analyze(elfDump("live.elf", kernel, [windowsNote(kernel, PAGE_FILL)]));
    expect(facts.safeParse(found).error).toBeUndefined();
    expect(found.os).toMatchObject({ family: "windows", build: "19041" });
    expect(found.modules?.map(({ name }) => name)).toEqual(["ntoskrnl.exe"]);
    expect(found.crash).toMatchObject({ title: null, panicked: false, stopCode: null });
    expect(found.crash?.stack[0]).toMatchObject({ module: "ntoskrnl.exe", offset: "0x1234", via: "context" });
    expect(found.bucket).toBeNull();
  });

  it("a header older than the crash: the stop code is read where the kernel keeps it", async () => {
    const kernel = windowsGuest();
    kernel.putWords(BUG_CHECK_DATA, 0xd1n, 0x10n, 2n, 1n, RIP);
    const found = await analyze(elfDump("stopped.elf", kernel, [windowsNote(kernel, PAGE_FILL)]));
    expect(found.crash).toMatchObject({
      title: "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
      panicked: true,
      address: "0xfffff80000101234",
    });
    expect(found.bucket?.trail[0]).toBe("stop code 0xd1 DRIVER_IRQL_NOT_LESS_OR_EQUAL");
  });

  it("nothing: the family is unknown, and the registers are all that is told", async () => {
    const found = await analyze(elfDump("unknown.elf", windowsGuest(), []));
    expect(facts.safeParse(found).error).toBeUndefined();
    expect(found.os).toEqual({ family: "unknown" });
    expect(found.processors?.[0]?.registers.rip).toBe("0xfffff80000101234");
    expect([found.crash, found.modules, found.bucket]).toEqual([undefined, undefined, null]);
  });

  it("a note that is cut off is no Windows header", async () => {
    const kernel = windowsGuest();
    const note = windowsNote(kernel, 0xd1);
    const found = await analyze(elfDump("cut.elf", kernel, [{ ...note, bytes: note.bytes.slice(0, 100) }]));
    expect(found.os?.family).toBe("unknown");
  });
});

withPeers({ data: "windows/imhex" }).it(
  "a real full dump of a running machine, cut off behind two pages: what its header tells",
  async () => {
    const found = await analyze(sharedData("windows/imhex/dmp64.hexpat.bin"));
    expect(facts.safeParse(found).error).toBeUndefined();
    expect(found.dump).toMatchObject({ complete: false, pages: 0x7fe86 });
    expect(found.os).toMatchObject({ family: "windows", build: "19045" });
    expect(found.crash, "DumpIt's letters are no stop code").toMatchObject({ title: null, panicked: false });
    expect(found.modules).toEqual([]);
  },
);

withPeers({ data: "linux/mkdf-initexit-6.1cloud.d31.zstd.kdump" }).it(
  "a Linux guest without the vmcoreinfo device is known all the same, by what its memory holds",
  async () => {
    const source = sharedData("linux/mkdf-initexit-6.1cloud.d31.zstd.kdump");
    const dump = await openDump(source);
    if (dump.memory.kind !== "physical") throw new Error("a kdump has physical memory");
    const bare = writeElf("bare.elf", dump.memory, {}, []);
    dump.close();
    const [found, told] = [await analyze(bare), await analyze(source)];
    expect(found.os).toEqual(told.os);
    expect(found.crash?.title).toBe(told.crash?.title);
    expect(found.log).toEqual(told.log);
  },
);
