import type { Kernel } from "../kernel/kernel.ts";
import type { Thread } from "../threads/thread.ts";
import { bugCheck } from "./bug-check.ts";

const UNEXPECTED_KERNEL_MODE_TRAP = 0x7f;
const DOUBLE_FAULT = 8n;

/**
 * A push that found no stack left. The page fault would be pushed there too, so the processor raises a double fault, on a stack that is kept for
 * it; the kernel stops with 0x7F: 8, the trap frame on that stack, and rsp and rip of the instruction that found no room.
 *
 * @param rip the instruction that pushed; rsp is as it was before
 */
export function doubleFault(kernel: Kernel, thread: Thread, rip: bigint): never {
  const { rsp } = thread;
  const stack = (thread.processor ?? kernel.processors[0]!).doubleFaultStack;
  thread.trap(kernel.images.find("nt!KiDoubleFaultAbort"), { errorCode: 0, address: 0n, rip, stack });
  return bugCheck(kernel, thread, UNEXPECTED_KERNEL_MODE_TRAP, [DOUBLE_FAULT, thread.rsp, rsp, rip]);
}
