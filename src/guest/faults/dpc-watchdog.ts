import type { Kernel } from "../kernel/kernel.ts";
import type { Thread } from "../threads/thread.ts";
import { CLOCK_INTERVAL_SECONDS } from "../threads/virtual-clock.ts";
import type { Routine } from "../threads/wait.ts";
import { bugCheck } from "./bug-check.ts";

const DPC_WATCHDOG_VIOLATION = 0x133;
/** Clock interrupts that one deferred procedure call may last: 20 seconds. */
const ALLOWED_TICKS = 0x500;
/** Parameter 1: a single one was too long, and not all of them in sum. */
const SINGLE_DPC = 0n;
/** DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK, of which this kernel has nothing to say. */
const TRIAGE_BYTES = 0x10;

/**
 * Keeps the thread's processor in a deferred procedure call that does not end, at the instruction at `rip`, until a clock interrupt finds that it
 * has lasted too long. That is 0x133: 0, the ticks it has lasted, those it may, and a block with more. The stack says whose it was.
 */
export function* overstay(kernel: Kernel, thread: Thread, rip: bigint): Routine<never> {
  const ticks = ALLOWED_TICKS + 1;
  yield { kind: "compute", seconds: ticks * CLOCK_INTERVAL_SECONDS };
  thread.trap(kernel.images.find("nt!KiInterruptDispatch"), { errorCode: 0, address: 0n, rip });
  for (const name of [
    "nt!KiCallInterruptServiceRoutine",
    "hal!HalpTimerClockInterrupt",
    "nt!KeClockInterruptNotify",
    "nt!KeAccumulateTicks",
  ])
    thread.enter(kernel.images.find(name));
  const block = kernel.allocate(TRIAGE_BYTES, "DpcW");
  return bugCheck(kernel, thread, DPC_WATCHDOG_VIOLATION, [SINGLE_DPC, BigInt(ticks), BigInt(ALLOWED_TICKS), block]);
}
