import { triage9fPower } from "../../dumpfile/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { DISPATCH_LEVEL } from "../threads/processor.ts";
import { bugCheck } from "./bug-check.ts";

const DRIVER_POWER_STATE_FAILURE = 0x9f;
/** Parameter 1: a device has kept a request for too long. */
const BLOCKED_REQUEST = 3n;
const SIGNATURE = 0x8000;
/** Where the block lies in the frame of the function that hands it out: above its callees' home space. */
const BLOCK_IN_FRAME = 0x30n;

/**
 * The timer of a power request has run out, in a deferred procedure call on the first processor. That is 0x9F: 3, the lowest device of the
 * stack, TRIAGE_9F_POWER, and the request. Whatever the processor was at has nothing to do with it.
 */
export function powerWatchdog(
  kernel: Kernel,
  { request, data, pdo }: { readonly request: bigint; readonly data: bigint; readonly pdo: bigint },
): never {
  const { memory, images } = kernel;
  const processor = kernel.processors[0]!;
  memory.processor = processor.virtual;
  const thread = processor.current;
  thread.trap(images.find("nt!KiDpcInterrupt"), { errorCode: 0, address: 0n, rip: thread.rip });
  processor.irql = DISPATCH_LEVEL;
  for (const name of ["nt!KiRetireDpcList", "nt!KiProcessExpiredTimerList"]) thread.enter(images.find(name));
  thread.enter(images.find("nt!PopIrpWatchdog"), [0n, data], "DeferredRoutine");
  thread.enter(images.find("nt!PopIrpWatchdogBugcheck"), [data]);
  const block = thread.rsp + BLOCK_IN_FRAME;
  memory.put(triage9fPower, block, {
    signature: SIGNATURE,
    revision: 1,
    irpList: kernel.variable("PopIrpList"),
    threadList: kernel.variable("PopIrpThreadList"),
    delayedWorkQueue: 0n,
    delayedIoWorkQueue: 0n,
  });
  return bugCheck(kernel, thread, DRIVER_POWER_STATE_FAILURE, [BLOCKED_REQUEST, pdo, block, request]);
}
