import type { Kernel } from "../kernel/kernel.ts";
import { bugCheck } from "./bug-check.ts";

const DRIVER_VERIFIER_DMA_VIOLATION = 0xe6;
/** Parameter 1: the IOMMU has stopped a device. */
const STOPPED_BY_IOMMU = 0x26n;
/** A write to a page that the device may not write to (Intel VT-d specification, fault reason 5). */
const WRITE_NOT_ALLOWED = 5n;

/**
 * The IOMMU has kept a device from writing to a page that its driver has not mapped for it. Its interrupt comes to the first processor, whatever that
 * is at: 0xE6 with 0x26, the DEVICE_OBJECT, the address and the IOMMU's reason. The stack says nothing about whose device it was.
 */
export function dmaFault(kernel: Kernel, device: bigint, gpa: number): never {
  const processor = kernel.processors[0]!;
  kernel.memory.processor = processor.virtual;
  const thread = processor.current;
  thread.trap(kernel.images.find("nt!KiInterruptDispatch"), { errorCode: 0, address: 0n, rip: thread.rip });
  for (const name of ["nt!KiCallInterruptServiceRoutine", "hal!IvtHandleInterrupt"])
    thread.enter(kernel.images.find(name));
  const parameters = [STOPPED_BY_IOMMU, device, BigInt(gpa), WRITE_NOT_ALLOWED] as const;
  return bugCheck(kernel, thread, DRIVER_VERIFIER_DMA_VIOLATION, parameters);
}
