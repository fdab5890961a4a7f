import type { Kernel } from "../kernel/kernel.ts";
import type { Thread } from "../threads/thread.ts";
import { bugCheck, exceptionRecord } from "./bug-check.ts";

const KERNEL_SECURITY_CHECK_FAILURE = 0x139;
const STACK_BUFFER_OVERRUN = 0xc000_0409;
/** Where a function keeps what it hands on: above its callees' home space. */
const IN_FRAME = 0x20n;

/** FAST_FAIL_… of Microsoft's winnt.h, as far as code here has such checks. */
export const FAST_FAIL = { corruptListEntry: 3n } as const;

/**
 * Code has found something of its own broken and gives up by `int 29h`: 0x139 with what was broken, the trap frame, and the exception record,
 * which lies on the stack.
 *
 * @param rip the instruction that gave up
 */
export function fastFail(kernel: Kernel, thread: Thread, reason: bigint, rip: bigint): never {
  const nt = (name: string) => kernel.images.find(`nt!${name}`);
  const exception = { code: STACK_BUFFER_OVERRUN, address: rip, information: [reason] };
  thread.trap(nt("KiRaiseSecurityCheckFailure"), { errorCode: 0, address: 0n, rip });
  const trapFrame = thread.rsp;
  thread.enter(nt("KiFastFailDispatch"), [reason]);
  const record = thread.rsp + IN_FRAME;
  kernel.memory.processor.write(record, exceptionRecord(exception));
  thread.enter(nt("KiBugCheckDispatch"));
  const parameters = [reason, trapFrame, record, 0n] as const;
  return bugCheck(kernel, thread, KERNEL_SECURITY_CHECK_FAILURE, parameters, exception);
}
