import type { Registers } from "../../binary/index.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import type { Modules } from "./modules.ts";
import type { StackBounds } from "./processors.ts";
import { LONGEST_STACK, MOST_FRAMES, type StackFrame } from "./stack.ts";

/** Pointer authentication may use the bits above the address; a kernel address has them all set. */
const KERNEL_ADDRESS_BITS = 0xffff_0000_0000_0000n;

/** ARM64: every function that calls another keeps a frame record {previous frame pointer, return address} where fp points. */
export function walkFrameRecords(
  registers: Registers,
  modules: Modules,
  memory: KernelMemory,
  bounds: StackBounds | null,
): StackFrame[] {
  const start = registers.sp ?? 0n;
  const frames: StackFrame[] = [{ address: registers.pc ?? 0n, stackPointer: start, via: "context" }];
  const end = bounds?.base ?? start + LONGEST_STACK;
  let record = registers.fp ?? 0n;
  let above = start;
  while (frames.length < MOST_FRAMES && record >= above && record + 16n <= end && record % 8n === 0n) {
    const next = memory.u64(record);
    const link = memory.u64(record + 8n);
    if (next === null || link === null || link === 0n) break;
    const address = link | KERNEL_ADDRESS_BITS;
    if (!modules.at(address)) break;
    frames.push({ address, stackPointer: record + 16n, via: "frame pointer" });
    above = record + 16n;
    record = next;
  }
  return frames;
}
