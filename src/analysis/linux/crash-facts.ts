import { hex, type Registers } from "../../binary/index.ts";
import type { DumpProcessor } from "../../dumpfile/index.ts";
import type { Facts, Frame } from "../facts.ts";
import type { PrintedFrame } from "./call-trace.ts";
import type { CrashReport } from "./crash-report.ts";
import { culprit } from "./culprit.ts";
import { readTaintMask } from "./identity.ts";
import type { LinuxKernel } from "./kernel.ts";
import type { KernelModule } from "./modules.ts";
import { framesOfCrash, type PlacedFrame, processorStack } from "./processor-stack.ts";
import { currentTasks, panicProcessor } from "./processors.ts";
import { taintLetters } from "./taint.ts";

type Crash = NonNullable<Facts["crash"]>;

/**
 * Joins what the log says about the crash with what memory says: the panicking processor, its task, its stack, addresses and
 * modules. Where the log says nothing (its pages are missing, or the kernel had no time to print) memory alone has to do.
 */
export function crashFacts(kernel: LinuxKernel, report: CrashReport | null, cpus: readonly DumpProcessor[]): Crash {
  const taint = kernel.symbols && readTaintMask(kernel.memory, kernel.symbols);
  const panicked = kernel.symbols && panicProcessor(kernel.memory, kernel.symbols);
  const isPanicked = panicked === null ? report?.panicLine != null : panicked >= 0;
  const registers = cpus.find(({ index }) => index === panicked)?.registers;
  const unwound = registers ? (processorStack(kernel, registers)?.frames ?? []) : [];
  const elsewhere = report && runningElsewhere(kernel, report, cpus, panicked);
  const path = elsewhere?.frames ?? framesOfCrash(unwound);
  const printed = report && !elsewhere && !isLeftOvers(report, path) ? printedStack(kernel, report, path) : [];
  const stack = printed.length > 0 ? printed : path.map(unwoundFrame);
  const startsAtFault = printed.length > 0 ? report?.instruction != null : path[0]?.isReturn === false;
  const fault = startsAtFault ? stack[0] : undefined;
  return {
    title: report?.title ?? null,
    alternativeTitles: [...(report?.alternativeTitles ?? [])],
    class: report?.class ?? null,
    panicked: isPanicked,
    processor: elsewhere?.processor ?? report?.processor ?? (isPanicked ? panicked : null),
    process: report || isPanicked ? processOf(kernel, report, panicked ?? -1) : null,
    address: fault?.address ?? null,
    function: fault?.function ?? null,
    module: culprit(stack, startsAtFault),
    stack,
    registers: registersOf(report, fault?.address ?? null, path[0] === unwound[0] ? registers : undefined),
    taint: taint === null ? null : taintLetters(taint),
  };
}

/**
 * The processor was sent where no code is: the kernel's unwinder gives up there and lists whatever the stack has on it, while
 * unwinding from memory finds the bad call.
 */
const isLeftOvers = ({ instruction, frames }: CrashReport, path: readonly PlacedFrame[]) =>
  instruction !== null && !instruction.frame && path.length > 1 && !frames.some(({ reliable }) => reliable);

/**
 * The task that the report is about may have run on another processor than the one that panicked. The kernel cannot unwind a
 * running task and prints left-overs; the dump has that processor's registers.
 */
function runningElsewhere(
  kernel: LinuxKernel,
  { process, instruction, frames }: CrashReport,
  cpus: readonly DumpProcessor[],
  panicked: number | null,
) {
  if (!process?.pid || instruction || frames.some(({ reliable }) => reliable)) return null;
  if (!kernel.symbols || !kernel.types) return null;
  const running = currentTasks(kernel.memory, kernel.symbols, kernel.types, cpus.length);
  const processor = running.findIndex((task) => task?.pid === process.pid);
  const registers = cpus.find(({ index }) => index === processor)?.registers;
  const stack = registers && processor !== panicked ? (processorStack(kernel, registers)?.frames ?? []) : [];
  const interrupted = stack.findLastIndex(({ isReturn }) => !isReturn);
  return interrupted < 0 ? null : { processor, frames: stack.slice(interrupted) };
}

/** Who crashed: as the log says; else the task whose message announced it; else what the panicking processor was running. */
function processOf(kernel: LinuxKernel, report: CrashReport | null, panicked: number): Crash["process"] {
  if (report?.process) return { ...report.process };
  const { caller } = report ?? {};
  const announcer = caller?.kind === "task" ? kernel.tasks?.tasks.find((task) => task.pid === caller.id) : undefined;
  if (announcer) return { name: announcer.name, pid: announcer.pid };
  if (!kernel.symbols || !kernel.types || panicked < 0) return null;
  const running = currentTasks(kernel.memory, kernel.symbols, kernel.types, panicked + 1)[panicked];
  return running ? { name: running.name, pid: running.pid } : null;
}

/** The instruction that failed, then the call trace below it. What unwinding found as well has its place on the stack too. */
function printedStack(
  kernel: LinuxKernel,
  { instruction, frames }: CrashReport,
  path: readonly PlacedFrame[],
): Frame[] {
  const all = instruction?.frame ? [instruction.frame, ...frames] : frames;
  let next = 0;
  const stack = all.map((frame) => {
    const at = frame.reliable ? path.findIndex((unwound, n) => n >= next && isSame(unwound, frame)) : -1;
    if (at >= 0) next = at + 1;
    return printedFrame(kernel, frame, path[at]);
  });
  if (!instruction || instruction.frame) return stack;
  return [{ address: instruction.address === null ? null : hex(instruction.address), via: "log" }, ...stack];
}

const isSame = ({ place }: PlacedFrame, frame: PrintedFrame) =>
  place?.function === frame.function && place.offset === frame.offset && (place.module?.name ?? null) === frame.module;

function printedFrame(kernel: LinuxKernel, frame: PrintedFrame, unwound: PlacedFrame | undefined): Frame {
  const start = kernel.symbolizer?.start(frame.function, frame.size, frame.module) ?? null;
  const address = unwound?.address ?? (start === null ? null : start + BigInt(frame.offset));
  const module = frame.module === null ? null : (kernel.symbolizer?.module(frame.module) ?? null);
  return {
    address: address === null ? null : hex(address),
    function: frame.function,
    module: frame.module,
    offset: hex(frame.offset),
    moduleOffset: address === null ? null : offsetIn(module, address),
    stackPointer: unwound ? hex(unwound.stackPointer) : null,
    via: frame.reliable ? "log" : "log, unsure",
  };
}

function unwoundFrame({ address, stackPointer, isReturn, place }: PlacedFrame): Frame {
  return {
    address: hex(address),
    function: place?.function ?? null,
    module: place?.module?.name ?? null,
    offset: place?.offset == null ? null : hex(place.offset),
    moduleOffset: offsetIn(place?.module ?? null, address),
    stackPointer: hex(stackPointer),
    via: isReturn ? "unwind" : "context",
  };
}

/** An init function lies apart from its module, maybe below it: there is no offset then. */
const offsetIn = (module: KernelModule | null, address: bigint) =>
  module && address >= module.base && address < module.base + BigInt(module.size) ? hex(address - module.base) : null;

/** The registers at the fault: as the kernel printed them, else those the dump has when they were saved right there. */
function registersOf(report: CrashReport | null, address: string | null, saved?: Registers): Crash["registers"] {
  const values = report?.instruction ? report.registers : new Map(Object.entries(saved ?? {}));
  if (values.size === 0) return null;
  const registers = Object.fromEntries([...values].map(([name, value]) => [name, hex(value)]));
  return address === null ? registers : { ...registers, rip: address };
}
