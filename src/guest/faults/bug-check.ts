import { hex } from "../../binary/index.ts";
import {
  CONTEXT_FLAGS,
  contextX64,
  dumpHeader64,
  exceptionRecord64,
  kprcb,
  specialRegisters,
} from "../../dumpfile/index.ts";
import { CRASH_NO_DUMP, CRASH_NOTIFY } from "../../hypervisor/index.ts";
import { recordStop } from "../checks/diagnosis-store.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Processor } from "../threads/processor.ts";
import { HIGH_LEVEL } from "../threads/processor.ts";
import { KERNEL_CODE_SEGMENT, KERNEL_STACK_SEGMENT, type Thread } from "../threads/thread.ts";

export type BugCheckParameters = readonly [bigint, bigint, bigint, bigint];

/** What led to a bug check, when it was an exception. */
export interface ExceptionFacts {
  readonly code: number;
  readonly address: bigint;
  readonly information: readonly bigint[];
  /** CONTEXT of the instruction that raised it, where the dump's header is to show that and not the bug check. */
  readonly context?: Uint8Array;
}

/** Names of the stop codes that this kernel raises, as Microsoft's documentation has them. */
export const STOP_CODE_NAMES: Readonly<Record<number, string>> = {
  25: "BAD_POOL_HEADER",
  26: "MEMORY_MANAGEMENT",
  63: "NO_MORE_SYSTEM_PTES",
  78: "PFN_LIST_CORRUPT",
  80: "PAGE_FAULT_IN_NONPAGED_AREA",
  118: "PROCESS_HAS_LOCKED_PAGES",
  119: "KERNEL_STACK_INPAGE_ERROR",
  122: "KERNEL_DATA_INPAGE_ERROR",
  123: "INACCESSIBLE_BOOT_DEVICE",
  126: "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED",
  127: "UNEXPECTED_KERNEL_MODE_TRAP",
  159: "DRIVER_POWER_STATE_FAILURE",
  190: "ATTEMPTED_WRITE_TO_READONLY_MEMORY",
  193: "SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION",
  194: "BAD_POOL_CALLER",
  196: "DRIVER_VERIFIER_DETECTED_VIOLATION",
  197: "DRIVER_CORRUPTED_EXPOOL",
  199: "TIMER_OR_DPC_INVALID",
  203: "DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS",
  204: "PAGE_FAULT_IN_FREED_SPECIAL_POOL",
  205: "PAGE_FAULT_BEYOND_END_OF_ALLOCATION",
  206: "DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS",
  209: "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
  213: "DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL",
  214: "DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION",
  216: "DRIVER_USED_EXCESSIVE_PTES",
  218: "SYSTEM_PTE_MISUSE",
  219: "DRIVER_CORRUPTED_SYSPTES",
  228: "WORKER_INVALID",
  230: "DRIVER_VERIFIER_DMA_VIOLATION",
  292: "WHEA_UNCORRECTABLE_ERROR",
  307: "DPC_WATCHDOG_VIOLATION",
  313: "KERNEL_SECURITY_CHECK_FAILURE",
};

/** Leaves the model's call stack after a bug check; the guest's own stack stays as it is. */
export class GuestStopped extends Error {
  override readonly name = "GuestStopped";
}

const BREAKPOINT = 0x8000_0003;
const MXCSR = 0x1f80;

/**
 * Stops the guest: its stop code goes to non-volatile memory, the processors' states to their control blocks, the dump
 * header is completed, and the hypervisor is told. Nothing runs after it.
 */
export function bugCheck(
  kernel: Kernel,
  thread: Thread,
  code: number,
  parameters: BugCheckParameters,
  exception?: ExceptionFacts,
): never {
  const { memory, images, partition } = kernel;
  const stop = images.find("nt!KeBugCheckEx");
  thread.enter(stop, [BigInt(code), parameters[0], parameters[1], parameters[2]]);
  // A debugger sees the call itself: rip on the first instruction, rsp on the return address, the prolog not yet run.
  const entry = thread.entryOfFunction();
  const crashing = thread.processor!;
  // KeBugCheckEx is where arguments are written to their home space.
  [BigInt(code), parameters[0], parameters[1], parameters[2]].forEach((value, index) => {
    memory.processor.writeU64(entry.rsp + BigInt(8 * (index + 1)), value);
  });
  memory.processor.writeU64(entry.rsp + 0x28n, parameters[3]);

  crashing.irql = HIGH_LEVEL;
  const words = [BigInt(code), ...parameters];
  words.forEach((word, index) => {
    memory.processor.writeU64(kernel.variable("KiBugcheckData") + BigInt(8 * index), word);
  });
  kernel.checks.summarize();
  const left = { stopCode: code, parameters, tag: kernel.damagedTag };
  recordStop(partition.nonVolatile, kernel.boot, left, kernel.checks.specialCoverage());

  for (const processor of kernel.processors) {
    const at = processor === crashing ? entry : { rip: processor.current.rip, rsp: processor.current.rsp };
    publishRegisters(processor, at);
    saveProcessorState(kernel, processor);
  }
  kernel.updateTime();
  completeHeader(
    kernel,
    crashing,
    code,
    parameters,
    exception ?? { code: BREAKPOINT, address: stop.address, information: [] },
  );

  const line = `*** STOP: ${hex(code)} (${parameters.map(hex).join(", ")}) ${STOP_CODE_NAMES[code] ?? ""}`.trimEnd();
  kernel.print(line);
  words.forEach((word, index) => {
    partition.writeCrashParameter(index, word);
  });
  partition.writeCrashControl(kernel.crashDump === null ? CRASH_NOTIFY | CRASH_NO_DUMP : CRASH_NOTIFY);
  throw new GuestStopped(line);
}

/** Puts a processor's state, which the model keeps with the thread it runs, into the virtual processor's registers. */
export function publishRegisters(processor: Processor, at: { readonly rip: bigint; readonly rsp: bigint }): void {
  const { registers } = processor.virtual;
  Object.assign(registers, processor.current.namedRegisters(), {
    rip: at.rip,
    rsp: at.rsp,
    rflags: processor.irql >= HIGH_LEVEL ? 0x40082n : 0x40246n,
    cs: KERNEL_CODE_SEGMENT,
    ss: KERNEL_STACK_SEGMENT,
    ds: 0x2bn,
    es: 0x2bn,
    fs: 0x53n,
    gs: 0x2bn,
    gsBase: processor.controlRegion,
    cr8: BigInt(processor.irql),
  });
}

/** Copies the registers to the KPRCB's ProcessorState and to the CONTEXT it points at. */
function saveProcessorState(kernel: Kernel, processor: Processor): void {
  const context = contextOf(processor);
  const { memory } = kernel;
  const { registers } = processor.virtual;
  const special = new Uint8Array(specialRegisters.size);
  specialRegisters.write(special, 0, {
    cr0: registers.cr0,
    cr2: registers.cr2,
    cr3: registers.cr3,
    cr4: registers.cr4,
    cr8: registers.cr8,
    kernelDr6: 0xffff_0ff0n,
    kernelDr7: 0x400n,
    mxCsr: MXCSR,
    msrGsBase: registers.gsBase,
    tr: 0x40,
  });
  memory.processor.write(processor.context, context);
  memory.put(kprcb, processor.controlBlock, { specialRegisters: special, contextFrame: context });
}

function contextOf({ virtual: { registers: r } }: Processor): Uint8Array {
  const bytes = new Uint8Array(contextX64.size);
  contextX64.write(bytes, 0, {
    contextFlags:
      CONTEXT_FLAGS.amd64 |
      CONTEXT_FLAGS.control |
      CONTEXT_FLAGS.integer |
      CONTEXT_FLAGS.segments |
      CONTEXT_FLAGS.floatingPoint,
    mxCsr: MXCSR,
    fxMxCsr: MXCSR,
    segCs: Number(r.cs),
    segDs: Number(r.ds),
    segEs: Number(r.es),
    segFs: Number(r.fs),
    segGs: Number(r.gs),
    segSs: Number(r.ss),
    eFlags: Number(r.rflags),
    ...{ rax: r.rax, rcx: r.rcx, rdx: r.rdx, rbx: r.rbx, rsp: r.rsp, rbp: r.rbp, rsi: r.rsi, rdi: r.rdi },
    ...{ r8: r.r8, r9: r.r9, r10: r.r10, r11: r.r11, r12: r.r12, r13: r.r13, r14: r.r14, r15: r.r15 },
    rip: r.rip,
  });
  return bytes;
}

function completeHeader(
  kernel: Kernel,
  crashing: Processor,
  code: number,
  parameters: BugCheckParameters,
  exception: ExceptionFacts,
): void {
  kernel.memory.put(dumpHeader64, kernel.dumpHeader, {
    directoryTableBase: crashing.virtual.registers.cr3,
    bugCheckCode: code,
    bugCheckParameter1: parameters[0],
    bugCheckParameter2: parameters[1],
    bugCheckParameter3: parameters[2],
    bugCheckParameter4: parameters[3],
    contextRecord: padded(exception.context ?? contextOf(crashing)),
    exception: exceptionRecord(exception),
    systemTime: kernel.systemTime,
    systemUpTime: BigInt(kernel.clock.now),
  });
}

/** EXCEPTION_RECORD64 of what led to a bug check. */
export function exceptionRecord({ code, address, information }: ExceptionFacts): Uint8Array {
  const record = new Uint8Array(exceptionRecord64.size);
  exceptionRecord64.write(record, 0, {
    exceptionCode: code,
    exceptionFlags: 1, // EXCEPTION_NONCONTINUABLE
    exceptionAddress: address,
    numberParameters: information.length,
  });
  const view = new DataView(record.buffer);
  information.forEach((word, index) => {
    view.setBigUint64(exceptionRecord64.fields.exceptionInformation.offset + 8 * index, word, true);
  });
  return record;
}

/** CONTEXT of a processor that executes an instruction of its thread. */
export function registersAt(processor: Processor, at: { readonly rip: bigint; readonly rsp: bigint }): Uint8Array {
  publishRegisters(processor, at);
  return contextOf(processor);
}

const padded = (context: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(dumpHeader64.fields.contextRecord.bytes);
  bytes.set(context);
  return bytes;
};
