import { contextX64, exceptionRecord64 } from "../../dumpfile/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Thread } from "../threads/thread.ts";
import { bugCheck, exceptionRecord, registersAt } from "./bug-check.ts";

const SYSTEM_THREAD_EXCEPTION_NOT_HANDLED = 0x7e;
const ACCESS_VIOLATION = 0xc000_0005;
/** NTSTATUS as a 64-bit parameter: its sign goes on. */
const ACCESS_VIOLATION_PARAMETER = 0xffff_ffff_c000_0005n;
/** The processor does not say which address was not canonical: an exception record has all ones for it. */
const UNKNOWN_ADDRESS = 0xffff_ffff_ffff_ffffn;
/** Where a function keeps what it hands on: above its callees' home space. */
const IN_FRAME = 0x20n;

/**
 * #GP at an address that is not canonical. That is an access violation, which no handler of the thread takes; the filter around every system
 * thread's routine stops the machine with 0x7E: the status, the instruction, the exception record and the context. Both lie on the stack.
 *
 * @param rip the instruction that faulted
 */
export function generalProtection(kernel: Kernel, thread: Thread, rip: bigint): never {
  const nt = (name: string) => kernel.images.find(`nt!${name}`);
  const context = registersAt(thread.processor ?? kernel.processors[0]!, { rip, rsp: thread.rsp });
  const exception = { code: ACCESS_VIOLATION, address: rip, information: [0n, UNKNOWN_ADDRESS], context };
  thread.trap(nt("KiGeneralProtectionFault"), { errorCode: 0, address: 0n, rip });
  thread.enter(nt("KiExceptionDispatch"));
  const record = thread.rsp + IN_FRAME;
  thread.enter(nt("KiDispatchException"), [record]);
  const contextAt = thread.rsp + IN_FRAME;
  kernel.memory.processor.write(record, exceptionRecord(exception));
  kernel.memory.processor.write(contextAt, context.subarray(0, contextX64.size));
  for (const name of ["RtlDispatchException", "RtlpExecuteHandlerForException", "_C_specific_handler"])
    thread.enter(nt(name), [record, contextAt]);
  thread.enter(nt("PspSystemThreadStartup$filt$0"), [record, contextAt], "ExceptionFilter");
  const parameters = [ACCESS_VIOLATION_PARAMETER, rip, record, contextAt] as const;
  return bugCheck(kernel, thread, SYSTEM_THREAD_EXCEPTION_NOT_HANDLED, parameters, exception);
}

/** Bytes of a frame that has an exception record, and of one that has a context. */
export const RECORD_FRAME_BYTES = exceptionRecord64.size;
export const CONTEXT_FRAME_BYTES = contextX64.size;
