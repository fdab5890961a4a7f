import { hex, type Registers, StopcodeError } from "../../binary/index.ts";
import type { Dump } from "../../dumpfile/index.ts";
import type { DriverFact, Facts, Frame } from "../facts.ts";
import { blockedRequest } from "./blocked-request.ts";
import { exceptionStatus, failedInstruction, irqlOf, namedDriver, stopCodeFact } from "./bug-check.ts";
import { checkFacts } from "./check-records.ts";
import { type ExceptionRecord, exceptionContext, exceptionRecord, frameOf, headerContext } from "./contexts.ts";
import { flippedBit } from "./flipped-bit.ts";
import { walkFrameRecords } from "./frame-records.ts";
import { placeOf } from "./function-names.ts";
import { ImageFiles } from "./image-files.ts";
import { type Kernel, openKernel } from "./kernel.ts";
import { loadedModules, Modules, type UnloadedModule, unloadedModules } from "./modules.ts";
import { nonPagedPool } from "./pool-usage.ts";
import { processAt, processList, processOfThread, threadId } from "./processes.ts";
import { crashedProcessor, type Processor, processors, stackPointerOf, threadStack } from "./processors.ts";
import { fileTimeText, releaseName, spanSeconds } from "./release.ts";
import { type StackFrame, walkStack } from "./stack.ts";
import { statusName } from "./status-codes.ts";
import { baseStopCode, isLiveCode, stopCodeName } from "./stop-codes.ts";
import { stoppedDevice } from "./stopped-device.ts";

type Crash = NonNullable<Facts["crash"]>;

export interface WindowsOptions {
  /** Folders with the machine's image files: unwinding reads their tables where the dump lacks them. */
  readonly images?: readonly string[];
}

/**
 * What a dump tells about a crash of an NT kernel, without symbols. A fact that cannot be had is null.
 * @throws StopcodeError `analysis/not-windows` for a dump without a Windows header, `io/images` for a folder that cannot be listed
 */
export function windowsFacts(dump: Dump, options: WindowsOptions = {}): Facts {
  const kernel = openKernel(dump);
  if (!kernel)
    throw new StopcodeError("analysis/not-windows", "the dump carries no Windows dump header", {
      where: { file: dump.file },
      hint: "a dump of a Windows guest made by QEMU needs the vmcoreinfo device; without it only registers can be read",
    });
  const files = options.images?.length ? new ImageFiles(options.images) : null;
  const modules = new Modules(loadedModules(kernel), kernel.memory, files);
  const unloaded = unloadedModules(kernel);
  const all = processors(kernel);
  const { header, debuggerData } = kernel;
  return {
    schema: "stopcode/facts/1",
    dump: dumpFact(dump),
    os: {
      family: "windows",
      release: releaseName(header.build, header.productType),
      build: String(header.build),
      version: debuggerData ? kernel.memory.asciiText(debuggerData.ntBuildLab, 256) : null,
    },
    machine: {
      arch: kernel.arch,
      processors: header.processors,
      uptimeSeconds: spanSeconds(header.systemUpTime),
      crashedAt: fileTimeText(header.systemTime),
    },
    crash: crashFact(kernel, modules, unloaded, all),
    modules: modules.all.map(({ name, path, base, size, checkSum, timeDateStamp }) => ({
      ...{ name, path, base: hex(base), size, timeDateStamp, checkSum },
    })),
    unloadedModules: unloaded.map(({ name, start, end }) => ({ name, start: hex(start), end: hex(end) })),
    processes: kernel.triage ? null : processList(kernel),
    processors: processorFacts(kernel, all),
    pool: { nonPaged: nonPagedPool(kernel) },
    checks: checkFacts(kernel, modules),
  };
}

export function dumpFact(dump: Dump): NonNullable<Facts["dump"]> {
  const { format, bytes, pages, complete, problems } = dump;
  return { format, bytes, pages, complete, problems: problems.map((problem) => ({ ...problem })) };
}

export const registerFact = (registers: Registers): Record<string, string> =>
  Object.fromEntries(Object.entries(registers).map(([name, value]) => [name, hex(value)]));

/** Each processor's registers at its call of the bug check; where no control block can be read, what the dump's own records have. */
function processorFacts(kernel: Kernel, all: readonly Processor[]): Facts["processors"] {
  const found = all.flatMap(({ index, registers }) =>
    registers ? [{ index, registers: registerFact(registers), source: "processor control block" }] : [],
  );
  const recorded = kernel.dump.cpus.map(({ index, registers, source }) => ({
    ...{ index, registers: registerFact(registers), source },
  }));
  return found.length > 0 ? found : recorded;
}

function crashFact(
  kernel: Kernel,
  modules: Modules,
  unloaded: readonly UnloadedModule[],
  all: readonly Processor[],
): Crash {
  const { stopCode } = kernel;
  const panicked = stopCode !== null && !isLiveCode(stopCode.code);
  const failed = exceptionContext(kernel);
  const header = headerContext(kernel);
  const processor = crashedProcessor(kernel, all, failed ?? header);
  const faultedInHeader = stopCode !== null && hasExceptionContext(stopCode.code);
  const start =
    failed ??
    (faultedInHeader ? header : null) ??
    processor?.registers ??
    header ??
    kernel.dump.cpus[0]?.registers ??
    null;
  const record = exceptionRecord(kernel);
  const address = record?.address ?? (stopCode && failedInstruction(stopCode));
  const thread = processor?.thread ?? null;
  const process = processAt(kernel, processOfThread(kernel, thread));
  const request = blockedRequest(kernel, modules);
  const device = stoppedDevice(kernel, modules);
  return {
    title: panicked ? (stopCodeName(stopCode.code) ?? `stop code ${hex(stopCode.code)}`) : null,
    alternativeTitles: panicked ? otherTitles(stopCode.code) : [],
    panicked,
    stopCode: stopCode && stopCodeFact(kernel, modules, stopCode),
    request,
    device,
    flippedBit: stopCode && flippedBit(kernel, stopCode, failed),
    exception: exceptionFact(kernel, modules, record),
    processor: processor?.index ?? null,
    process: process && { name: process.name, pid: process.pid },
    thread: thread === null ? null : { id: threadId(kernel, thread, process?.pid ?? null), address: hex(thread) },
    irql: stopCode && irqlOf(stopCode),
    address: address === null ? null : hex(address),
    function: address === null ? null : placeOf(address, modules).function,
    module:
      culpritModule(kernel, modules, unloaded, address, record) ??
      driverModule(request?.driver, "blocked request") ??
      driverModule(device?.driver, "stopped device"),
    stack: start ? stackFact(kernel, modules, start, thread, record) : [],
    registers: start && registerFact(start),
  };
}

/** Stop codes whose dump header holds the context of the exception, not of the bug check (windows-dump.md section 4b). */
const hasExceptionContext = (code: number): boolean => baseStopCode(code) === 0x7e;

function otherTitles(code: number): string[] {
  const base = baseStopCode(code) === code ? null : stopCodeName(baseStopCode(code));
  return base === null ? [] : [base];
}

const ACCESS_VIOLATION = 0xc000_0005;
const IN_PAGE_ERROR = 0xc000_0006;

function exceptionFact(kernel: Kernel, modules: Modules, record: ExceptionRecord | null): Crash["exception"] {
  const code = record?.code ?? (kernel.stopCode && exceptionStatus(kernel.stopCode));
  if (code === null) return null;
  const address = record?.address ?? (kernel.stopCode && failedInstruction(kernel.stopCode));
  const place = address === null ? null : modules.text(address);
  const [access, target] = record?.information ?? [];
  const touches = (code === ACCESS_VIOLATION || code === IN_PAGE_ERROR) && access !== undefined && target !== undefined;
  const text = touches ? `${place} ${accessVerb(access)} ${hex(target)}` : place;
  return { code: hex(code), name: statusName(code), address: address === null ? null : hex(address), text };
}

const accessVerb = (access: bigint) => (access === 0n ? "read" : access === 1n ? "wrote" : "executed");

/** The module of the failed instruction, loaded or unloaded; else the driver that the stop code names. */
function culpritModule(
  kernel: Kernel,
  modules: Modules,
  unloaded: readonly UnloadedModule[],
  address: bigint | null,
  record: ExceptionRecord | null,
): Crash["module"] {
  if (address !== null) {
    const via = record ? "exception record" : "stop code parameter";
    const module = modules.at(address);
    if (module) return { name: module.name, offset: hex(address - module.base), via };
    const gone = unloaded.find(({ start, end }) => address >= start && address < end);
    if (gone) return { name: gone.name, offset: hex(address - gone.start), via: `${via}, unloaded module` };
  }
  const named = kernel.stopCode && namedDriver(kernel, kernel.stopCode);
  return named && { name: named.name, offset: null, via: `stop code parameter ${named.parameter}` };
}

/** The module of the driver that has a blocked request, or whose device was stopped. */
function driverModule(driver: DriverFact | null | undefined, via: string): Crash["module"] {
  const name = driver?.module;
  return name ? { name, offset: null, via } : null;
}

function stackFact(
  kernel: Kernel,
  modules: Modules,
  start: Registers,
  thread: bigint | null,
  record: ExceptionRecord | null,
): Frame[] {
  const stack = stackPointerOf(start);
  const own = threadStack(kernel, thread);
  // A bug check may run on another stack than the thread's: of an interrupt, a DPC or a double fault.
  const bounds = own && stack !== null && stack >= own.limit && stack < own.base ? own : null;
  const frame = frameOf(start);
  const frames = frame
    ? walkStack(frame, modules, kernel.memory, bounds)
    : walkFrameRecords(start, modules, kernel.memory, bounds);
  return frames.map((one, i) => frameFact(one, modules, i === 0 && record?.address === one.address));
}

function frameFact(frame: StackFrame, modules: Modules, recorded: boolean): Frame {
  return {
    address: hex(frame.address),
    ...placeOf(frame.address, modules),
    stackPointer: hex(frame.stackPointer),
    via: recorded ? "exception record" : frame.via,
  };
}
