import { beforeEach, describe, expect, it } from "vitest";
import { windowsFacts } from "../../../src/analysis/index.ts";
import { UNWIND_REGISTERS } from "../../../src/binary/index.ts";
import {
  CHECK_RECORDS_EXPORT,
  CHECK_RECORDS_SIGNATURE,
  CHECK_RECORDS_VERSION,
  CONTEXT_FLAGS,
  checkEntry,
  checkRecords,
  contextX64,
  type Dump,
  debuggerData64,
  eprocess,
  ethread,
  KDBG_TAG,
  kprcb,
  loaderEntry,
  unloadedDriver,
  type WindowsHeader,
} from "../../../src/dumpfile/index.ts";
import { LaidOutKernel } from "./laid-out-kernel.ts";
import { CODE, IMAGE_SIZE, smallImage } from "./small-image.ts";

const NT = 0xffff_f800_0010_0000n;
const DRIVER = 0xffff_f800_0040_0000n;
const DATA = 0xffff_f800_0080_0000n;
const MODULE_LIST = DATA;
const PROCESS_LIST = DATA + 0x100n;
const KDBG = DATA + 0x200n;
const BUILD_LAB = DATA + 0x800n;
const PROCESSOR_TABLE = DATA + 0x900n;
const ENTRIES = DATA + 0x1000n;
const PRCB = 0xffff_f800_0100_0000n;
const CONTEXT = PRCB + 0x1_0000n;
const SYSTEM = 0xffff_a000_0000_0000n;
const SHELL = SYSTEM + 0x1000n;
const THREAD = SYSTEM + 0x4000n;
const STACK = 0xffff_9000_0001_0000n;
const NAME = DATA + 0x3000n;
const CHECK_ENTRIES = DATA + 0x6000n;
/** RVA in ntoskrnl. */
const RECORDS = 0xe000;

let kernel: LaidOutKernel;
const link = eprocess.fields.activeProcessLinks.offset;

/** Modules in the order of the list, each loader entry in a page of its own. */
function putModules(modules: readonly { name: string; base: bigint }[]): void {
  const entries = modules.map((_, i) => ENTRIES + BigInt(i) * 0x1000n);
  kernel.putWords(MODULE_LIST, entries[0]!, entries.at(-1)!);
  modules.forEach(({ name, base }, i) => {
    const at = entries[i]!;
    kernel.putLayout(loaderEntry, at, { dllBase: base, sizeOfImage: IMAGE_SIZE, checkSum: 7, timeDateStamp: 9 });
    kernel.putWords(at, entries[i + 1] ?? MODULE_LIST, entries[i - 1] ?? MODULE_LIST);
    kernel.putUnicodeString(at + BigInt(loaderEntry.fields.baseDllName.offset), name, at + 0x200n);
    kernel.putUnicodeString(at + BigInt(loaderEntry.fields.fullDllName.offset), `\\SystemRoot\\${name}`, at + 0x300n);
  });
}

function putProcess(at: bigint, next: bigint, pid: bigint, imageFileName: string): void {
  kernel.putLayout(eprocess, at, { uniqueProcessId: pid, inheritedFromUniqueProcessId: 0n, imageFileName });
  kernel.putWords(at + BigInt(link), next, PROCESS_LIST);
}

const header = (more: Partial<WindowsHeader> = {}): Partial<WindowsHeader> => ({
  ...{ loadedModuleList: MODULE_LIST, activeProcessHead: PROCESS_LIST, debuggerDataBlock: KDBG, ...more },
});
const stopCode = (code: number, ...parameters: [bigint, bigint, bigint, bigint]): Dump["stopCode"] => ({
  code,
  parameters,
});
const dump = (stop: Dump["stopCode"] = null, more: Partial<WindowsHeader> = {}) => kernel.dump(header(more), stop);

beforeEach(() => {
  kernel = new LaidOutKernel();
  fill();
});

function fill(): void {
  const code = Array<number>(64).fill(0x90);
  const functions = [{ begin: CODE, code, prologBytes: 4, unwindCodes: [4, 0x32] }]; // sub rsp, 0x20
  kernel.put(NT, smallImage(functions, { [CHECK_RECORDS_EXPORT]: RECORDS }).bytes);
  kernel.put(DRIVER, smallImage(functions, { MapBuffer: CODE }).bytes);
  putModules([
    { name: "ntoskrnl.exe", base: NT },
    { name: "leakdrv.sys", base: DRIVER },
  ]);
  kernel.putWords(PROCESS_LIST, SYSTEM + BigInt(link), SHELL + BigInt(link));
  putProcess(SYSTEM, SHELL + BigInt(link), 4n, "System");
  putProcess(SHELL, PROCESS_LIST, 0x1a4n, "shell.exe");
  kernel.putLayout(debuggerData64, KDBG, {
    ...{ ownerTag: KDBG_TAG, size: debuggerData64.size, ntBuildLab: BUILD_LAB, kiProcessorBlock: PROCESSOR_TABLE },
    ...{
      mmUnloadedDrivers: DATA + 0xa00n,
      offsetEprocessParentCID: eprocess.fields.inheritedFromUniqueProcessId.offset,
    },
    ...{ offsetPrcbCurrentThread: 8, offsetPrcbNumber: 0x24, offsetPrcbContext: kprcb.fields.context.offset },
    ...{ offsetKThreadApcProcess: ethread.fields.apcStateProcess.offset },
    ...{ offsetKThreadStackLimit: 0x30, offsetKThreadStackBase: 0x38 },
  });
  kernel.put(BUILD_LAB, Buffer.from("19041.1.amd64fre.lab\0"));
  kernel.putWords(PROCESSOR_TABLE, PRCB);
  kernel.putLayout(kprcb, PRCB, { currentThread: THREAD, number: 0, context: CONTEXT });
  kernel.putLayout(ethread, THREAD, {
    ...{ stackLimit: STACK - 0x6000n, stackBase: STACK + 0x1000n, apcStateProcess: SHELL },
    ...{ uniqueProcess: 0x1a4n, uniqueThread: 0x1b0n },
  });
  kernel.putLayout(contextX64, CONTEXT, {
    ...{ contextFlags: CONTEXT_FLAGS.amd64, rip: NT + BigInt(CODE) + 0x10n, rsp: STACK },
  });
  kernel.putWords(STACK + 0x20n, DRIVER + BigInt(CODE) + 0x20n); // nt returns into leakdrv
  kernel.putWords(STACK + 0x48n, NT + BigInt(CODE) + 0x30n); // leakdrv into nt
  kernel.putWords(STACK + 0x70n, 0n); // nt to nowhere
}

describe("a full dump: the kernel's own lists, by its page tables", () => {
  const putUnloaded = () => {
    const slot = DATA + 0x4000n;
    kernel.putWords(DATA + 0xa00n, slot);
    kernel.putLayout(unloadedDriver, slot, {
      startAddress: 0xffff_f800_0700_0000n,
      endAddress: 0xffff_f800_0701_0000n,
    });
    kernel.putUnicodeString(slot, "gone.sys", DATA + 0x5000n);
    for (let i = 1; i < 50; i++) kernel.putLayout(unloadedDriver, slot + BigInt(i * unloadedDriver.size), {});
  };

  it("modules in list order, with names, sizes and stamps; unloaded ones; build text", () => {
    putUnloaded();
    const facts = windowsFacts(dump());
    expect(facts.modules?.map(({ name, path, base, size }) => [name, path, base, size])).toEqual([
      ["ntoskrnl.exe", "\\SystemRoot\\ntoskrnl.exe", "0xfffff80000100000", IMAGE_SIZE],
      ["leakdrv.sys", "\\SystemRoot\\leakdrv.sys", "0xfffff80000400000", IMAGE_SIZE],
    ]);
    expect(facts.unloadedModules).toEqual([
      { name: "gone.sys", start: "0xfffff80007000000", end: "0xfffff80007010000" },
    ]);
    expect(facts.os?.version).toBe("19041.1.amd64fre.lab");
  });

  it("with five levels of page tables the same is found", () => {
    const four = windowsFacts(dump());
    kernel = new LaidOutKernel(5);
    fill();
    const five = windowsFacts(dump());
    expect(five.modules).toHaveLength(2);
    expect({ ...five, dump: null }).toEqual({ ...four, dump: null });
  });

  it("processes, and the one that the crashed thread ran in", () => {
    const facts = windowsFacts(dump(stopCode(0x3f, 0n, 4n, 2n, 0x4000n)));
    expect(facts.processes?.map(({ pid, name }) => [pid, name])).toEqual([
      [4, "System"],
      [0x1a4, "shell.exe"],
    ]);
    expect(facts.crash).toMatchObject({
      process: { name: "shell.exe", pid: 0x1a4 },
      thread: { id: 0x1b0, address: "0xffffa00000004000" },
      processor: 0,
      panicked: true,
    });
  });

  it("the stack by the images' own tables in memory, until it returns to nowhere", () => {
    const { crash } = windowsFacts(dump(stopCode(0x3f, 0n, 4n, 2n, 0x4000n)));
    expect(crash?.stack.map(({ module, function: name, offset, via }) => [module, name, offset, via])).toEqual([
      ["ntoskrnl.exe", null, "0x1010", "context"],
      ["leakdrv.sys", "MapBuffer", "0x20", "unwind"],
      ["ntoskrnl.exe", null, "0x1030", "unwind"],
    ]);
  });

  it("0xD8 names the driver: its name is read where parameter 1 points", () => {
    kernel.put(NAME, Buffer.from("leakdrv.sys\0", "utf16le"));
    const { crash } = windowsFacts(dump(stopCode(0xd8, NAME, 15_870n, 2n, 16_384n)));
    expect(crash?.stopCode?.parameters[0]?.text).toBe("leakdrv.sys");
    expect(crash?.module).toEqual({ name: "leakdrv.sys", offset: null, via: "stop code parameter 1" });
  });

  it("0xD1 blames the instruction of parameter 4, and tells the IRQL of parameter 2", () => {
    const { crash } = windowsFacts(dump(stopCode(0xd1, 0x10n, 2n, 1n, DRIVER + 0x1004n)));
    expect(crash).toMatchObject({ irql: 2, address: "0xfffff80000401004" });
    expect(crash?.module).toEqual({ name: "leakdrv.sys", offset: "0x1004", via: "stop code parameter" });
    expect(crash?.stopCode?.parameters.map(({ text }) => text)).toEqual([
      null,
      "DISPATCH_LEVEL",
      "write",
      "leakdrv.sys+0x1004",
    ]);
  });

  it("0xCE blames a driver that is gone by its old place", () => {
    putUnloaded();
    const { crash } = windowsFacts(dump(stopCode(0xce, 0xffff_f800_0700_1234n, 8n, 0xffff_f800_0700_1234n, 0n)));
    expect(crash?.module).toEqual({
      name: "gone.sys",
      offset: "0x1234",
      via: "stop code parameter, unloaded module",
    });
  });

  it("of several processors, the one on whose stack the crash happened", () => {
    const idle = PRCB + 0x2_0000n;
    const idleThread = THREAD + 0x1000n;
    kernel.putLayout(kprcb, idle, { currentThread: idleThread, number: 0 });
    kernel.putLayout(ethread, idleThread, {
      stackLimit: STACK + 0x10_0000n,
      stackBase: STACK + 0x10_6000n,
      apcStateProcess: SYSTEM,
    });
    kernel.putWords(PROCESSOR_TABLE, idle, PRCB);
    const contextRecord = new Uint8Array(3000);
    contextX64.write(contextRecord, 0, {
      contextFlags: CONTEXT_FLAGS.amd64,
      rip: NT + BigInt(CODE),
      rsp: STACK - 0x100n,
    });
    const { crash } = windowsFacts(dump(stopCode(0xef, SHELL, 0n, 0n, 0n), { processors: 2, contextRecord }));
    expect(crash).toMatchObject({ processor: 1, process: { name: "shell.exe" } });
    expect(crash?.stopCode?.parameters[0]?.text).toBe("shell.exe");
  });
});

describe("what armed checks recorded, found by the kernel's export", () => {
  const putRecords = (values: Parameters<typeof checkRecords.write>[2]) =>
    kernel.putLayout(checkRecords, NT + BigInt(RECORDS), {
      signature: CHECK_RECORDS_SIGNATURE,
      version: CHECK_RECORDS_VERSION,
      ...values,
    });

  it("users by module and by what they hold, their sites by name", () => {
    putRecords({
      ...{ armedMask: 1, entryCount: 3, entryCapacity: 8, entries: CHECK_ENTRIES },
      ...{ totalPtes: 16_384n, freePtes: 13n, largestFreeRun: 4n },
    });
    const entries = [
      { caller: NT + BigInt(CODE) + 8n, moduleBase: NT, calls: 5, releasedCalls: 4, heldPtes: 2n },
      { caller: DRIVER + BigInt(CODE) + 0x10n, moduleBase: DRIVER, calls: 10, releasedCalls: 0, heldPtes: 100n },
      { caller: DRIVER + 0x5000n, moduleBase: DRIVER, calls: 300, releasedCalls: 0, heldPtes: 16_000n },
    ];
    entries.forEach((entry, i) => {
      kernel.putLayout(checkEntry, CHECK_ENTRIES + BigInt(i * checkEntry.size), entry);
    });
    const { checks } = windowsFacts(dump());
    expect(checks?.armed).toEqual(["pte-tracking"]);
    expect(checks?.systemPtes).toMatchObject({ total: 16_384, free: 13, largestFreeRun: 4 });
    expect(checks?.systemPtes?.users.map(({ module, held, allocations }) => [module, held, allocations])).toEqual([
      ["leakdrv.sys", 16_100, 310],
      ["ntoskrnl.exe", 2, 5],
    ]);
    expect(
      checks?.systemPtes?.users[0]?.sites.map(({ function: name, moduleOffset, held }) => [name, moduleOffset, held]),
    ).toEqual([
      [null, "0x5000", 16_000],
      ["MapBuffer", "0x1010", 100],
    ]);
  });

  it.each([
    [1000n, 949n, { coverage: 94.9, isEnough: false }],
    [1000n, 950n, { coverage: 95, isEnough: true }],
    [0n, 0n, { coverage: 100, isEnough: true }],
  ])(
    "6.6/13: of %d blocks special pool held %d, and that is said to be enough from 95 per cent on",
    (eligible, given, told) => {
      putRecords({ armedMask: 2, specialEligible: eligible, specialGiven: given });
      const { checks } = windowsFacts(dump());
      expect(checks?.armed).toEqual(["special-pool"]);
      expect(checks?.specialPool).toEqual({ eligible: Number(eligible), given: Number(given), ...told });
      putRecords({ armedMask: 1 });
      expect(windowsFacts(dump()).checks?.specialPool).toBeNull();
    },
  );

  it("counts that no kernel writes, or another signature, are not believed", () => {
    putRecords({ armedMask: 1, entryCount: 0xffff_ffff, entryCapacity: 0xffff_ffff, entries: CHECK_ENTRIES });
    expect(windowsFacts(dump()).checks?.systemPtes?.users).toEqual([]);
    putRecords({ signature: 0x1234 });
    expect(windowsFacts(dump()).checks).toBeNull();
  });
});

describe("never trust a crashed machine's pointers", () => {
  it("a module list that loops past its head ends", () => {
    kernel.putWords(ENTRIES + 0x1000n, ENTRIES);
    expect(windowsFacts(dump()).modules).toHaveLength(2);
  });

  it("a list that leads to an absent page keeps what came before", () => {
    kernel.forget(ENTRIES + 0x1000n);
    expect(windowsFacts(dump()).modules?.map(({ name }) => name)).toEqual(["ntoskrnl.exe"]);
  });

  it("a process list that loops, or points at things that are no processes", () => {
    kernel.putWords(SHELL + BigInt(link), SHELL + BigInt(link));
    expect(windowsFacts(dump()).processes).toHaveLength(2);
    kernel.putWords(SHELL + BigInt(link), DATA + 0x2800n);
    kernel.putWords(DATA + 0x2800n, PROCESS_LIST, 0n);
    expect(windowsFacts(dump()).processes?.map(({ name }) => name)).toEqual(["System", "shell.exe"]);
  });

  it("without page tables, every fact of memory is null or empty", () => {
    const facts = windowsFacts(dump(stopCode(0xd8, NAME, 1n, 2n, 3n), { directoryTableBase: 0xffff_ffff_f000n }));
    expect(facts).toMatchObject({ modules: [], processes: null, checks: null, os: { version: null } });
    expect(facts.crash).toMatchObject({ module: null, process: null, stack: [] });
    expect(facts.crash?.stopCode?.parameters[0]?.text).toBeNull();
  });

  it("a stack pointer into nothing gives the one frame that is known", () => {
    kernel.putLayout(contextX64, CONTEXT, {
      contextFlags: CONTEXT_FLAGS.amd64,
      rip: NT + BigInt(CODE),
      rsp: 0xffff_9999_0000_0001n,
    });
    expect(windowsFacts(dump(stopCode(0x3f, 0n, 0n, 0n, 0n))).crash?.stack).toHaveLength(1);
  });

  it("registers of the unwinder are those of the processor's CONTEXT", () => {
    const [processor] = windowsFacts(dump()).processors!;
    expect(Object.keys(processor!.registers)).toEqual(expect.arrayContaining([...UNWIND_REGISTERS, "rip", "rflags"]));
  });
});
