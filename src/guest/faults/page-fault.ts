import type { PageFault } from "../../hypervisor/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { DISPATCH_LEVEL } from "../threads/processor.ts";
import type { Thread } from "../threads/thread.ts";
import { bugCheck } from "./bug-check.ts";
import { specialPoolStopCode } from "./special-pool-fault.ts";

const ACCESS_VIOLATION = 0xc000_0005;
const PRESENT = 1 << 0;
const WRITE = 1 << 1;
const FETCH = 1 << 4;

/** A kind of access as three places want it: 0xD1's third parameter, 0x50's second, and an access violation's first. */
const kindOf = (errorCode: number) =>
  errorCode & FETCH
    ? { irqlStop: 8n, pageFaultStop: 0x10n, violation: 8n }
    : errorCode & WRITE
      ? { irqlStop: 1n, pageFaultStop: 2n, violation: 1n }
      : { irqlStop: 0n, pageFaultStop: 0n, violation: 0n };

const ATTEMPTED_WRITE_TO_READONLY_MEMORY = 0xbe;
/** Fourth parameter of 0xBE, reserved: a write to the system's addresses. */
const SYSTEM_WRITE = 0xbn;

const FIRST_KERNEL_ADDRESS = 0xffff_8000_0000_0000n;
/** 0x50's fourth parameter: the address is a user's, which the kernel may not touch; or it has no valid entry. */
const typeOf = (address: bigint) => (address < FIRST_KERNEL_ADDRESS ? 0xfn : 2n);

const DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS = 0xce;

/** The stop code for an address where a driver was that is unloaded; null for any other. */
const unloadedStopCode = ({ modules }: Kernel, address: bigint): number | null =>
  modules.isOfUnloaded(address) ? DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS : null;

/**
 * A fault that nothing can resolve: this kernel keeps every page it maps in memory. In special pool, and where a driver is not
 * any more, the stop code says so at any IRQL; a write to a page that is there and may not be written is 0xBE at any; elsewhere it is
 * 0xD1 at DISPATCH_LEVEL and above (0xDB among the system PTEs, where somebody has spoilt a mapping), 0x50 below.
 *
 * @param rip the instruction that faulted
 */
export function pageFault(kernel: Kernel, thread: Thread, fault: PageFault, rip: bigint): never {
  const { images, processors } = kernel;
  const kind = kindOf(fault.errorCode);
  const irql = (thread.processor ?? processors[0]!).irql;
  const exception = { code: ACCESS_VIOLATION, address: rip, information: [kind.violation, fault.address] };
  thread.trap(images.find("nt!KiPageFault"), { errorCode: fault.errorCode, address: fault.address, rip });
  const trapFrame = thread.rsp;
  if ((fault.errorCode & PRESENT) !== 0 && (fault.errorCode & WRITE) !== 0) {
    thread.enter(images.find("nt!MmAccessFault"), [BigInt(fault.errorCode), fault.address]);
    thread.enter(images.find("nt!MiSystemFault"), [fault.address]);
    const parameters = [fault.address, kernel.pageable.entryOf(fault.address), trapFrame, SYSTEM_WRITE] as const;
    return bugCheck(kernel, thread, ATTEMPTED_WRITE_TO_READONLY_MEMORY, parameters, exception);
  }
  const stopCode = specialPoolStopCode(kernel, fault.address, rip) ?? unloadedStopCode(kernel, fault.address);
  if (irql >= DISPATCH_LEVEL && stopCode === null) {
    thread.enter(images.find("nt!KiBugCheckDispatch"));
    const stopCode = kernel.systemPtes.contains(fault.address) ? 0xdb : 0xd1;
    return bugCheck(kernel, thread, stopCode, [fault.address, BigInt(irql), kind.irqlStop, rip], exception);
  }
  thread.enter(images.find("nt!MmAccessFault"), [BigInt(fault.errorCode), fault.address]);
  thread.enter(images.find("nt!MiSystemFault"), [fault.address]);
  if (stopCode !== null) return bugCheck(kernel, thread, stopCode, [fault.address, kind.violation, rip, 0n], exception);
  return bugCheck(kernel, thread, 0x50, [fault.address, kind.pageFaultStop, rip, typeOf(fault.address)], exception);
}
