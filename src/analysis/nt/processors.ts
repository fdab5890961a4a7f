import type { Registers } from "../../binary/index.ts";
import { ethread, kprcb } from "../../dumpfile/index.ts";
import { readContext } from "./contexts.ts";
import type { Kernel } from "./kernel.ts";
import { isKernelAddress } from "./kernel-memory.ts";

/** One processor's control block, as far as it could be read. */
export interface Processor {
  readonly index: number;
  /** Registers at its call of the bug check, or at the interrupt that froze it. */
  readonly registers: Registers | null;
  readonly thread: bigint | null;
}

const MOST_PROCESSORS = 2048; // KiProcessorBlock has no more slots on x64

/** The processors: of a triage dump the one that crashed, else all that KiProcessorBlock names. */
export function processors(kernel: Kernel): Processor[] {
  const slot = kernel.triage?.processorBlock;
  if (slot) {
    const read = (offset: number) =>
      offset + 8 <= slot.length
        ? new DataView(slot.buffer, slot.byteOffset, slot.length).getBigUint64(offset, true)
        : null;
    return [readProcessor(kernel, read, 0)];
  }
  const table = kernel.debuggerData?.kiProcessorBlock;
  if (!table || !isKernelAddress(table)) return [];
  const found: Processor[] = [];
  const count = Math.min(kernel.header.processors, MOST_PROCESSORS);
  for (let index = 0; index < count; index++) {
    const block = kernel.memory.pointer(table + BigInt(index * 8));
    if (block !== null) found.push(readProcessor(kernel, (at) => kernel.memory.u64(block + BigInt(at)), index));
  }
  return found;
}

function readProcessor(kernel: Kernel, read: (offset: number) => bigint | null, index: number): Processor {
  const data = kernel.debuggerData;
  const number = read(data?.offsetPrcbNumber ?? kprcb.fields.number.offset);
  const thread = read(data?.offsetPrcbCurrentThread ?? kprcb.fields.currentThread.offset);
  const context = read(data?.offsetPrcbContext ?? kprcb.fields.context.offset);
  return {
    index: kernel.triage && number !== null ? Number(number & 0xffff_ffffn) : index,
    registers: context !== null && isKernelAddress(context) ? readContext(kernel, context) : null,
    thread: thread !== null && isKernelAddress(thread) ? thread : null,
  };
}

/** Lowest address, and one past the highest. */
export interface StackBounds {
  readonly limit: bigint;
  readonly base: bigint;
}

const LARGEST_STACK = 0x10_0000n;

/** Bounds of a thread's kernel stack; null where they cannot be read or make no sense. */
export function threadStack(kernel: Kernel, thread: bigint | null): StackBounds | null {
  if (thread === null) return null;
  const limitAt = kernel.debuggerData?.offsetKThreadStackLimit ?? ethread.fields.stackLimit.offset;
  const baseAt = kernel.debuggerData?.offsetKThreadStackBase ?? ethread.fields.stackBase.offset;
  const limit = kernel.memory.pointer(thread + BigInt(limitAt));
  const base = kernel.memory.pointer(thread + BigInt(baseAt));
  return limit !== null && base !== null && limit < base && base - limit <= LARGEST_STACK ? { limit, base } : null;
}

export const stackPointerOf = (registers: Registers): bigint | null => registers.rsp ?? registers.sp ?? null;

/** The processor whose thread's stack the given registers lie on, else the first. */
export function crashedProcessor(kernel: Kernel, all: readonly Processor[], registers: Registers | null) {
  const stack = registers && stackPointerOf(registers);
  const onStack = all.find((processor) => {
    const bounds = stack === null ? null : threadStack(kernel, processor.thread);
    return bounds !== null && stack !== null && stack >= bounds.limit && stack < bounds.base;
  });
  return onStack ?? all[0] ?? null;
}
