import type { Kernel } from "../kernel/kernel.ts";

const PAGE_FAULT_IN_FREED_SPECIAL_POOL = 0xcc;
const PAGE_FAULT_BEYOND_END_OF_ALLOCATION = 0xcd;
const DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL = 0xd5;
const DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION = 0xd6;
const PAGE = 0x1000n;

/**
 * The stop code for a fault at an address of special pool; null for any other. Between two pages it is the end of a block that was passed, or its
 * start where blocks are at the start of their pages; else the block is gone. The code says whether the system's instruction faulted or a driver's.
 *
 * @param rip the instruction that faulted
 */
export function specialPoolStopCode({ specialPool, images, nt }: Kernel, address: bigint, rip: bigint): number | null {
  if (specialPool === null || !specialPool.contains(address)) return null;
  const isBetween = ((address - specialPool.start) / PAGE) % 2n === 0n;
  const isOutside = isBetween && specialPool.hasBlock(specialPool.atStart ? address + PAGE : address - PAGE);
  if (images.imageAt(rip) === nt)
    return isOutside ? PAGE_FAULT_BEYOND_END_OF_ALLOCATION : PAGE_FAULT_IN_FREED_SPECIAL_POOL;
  return isOutside ? DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION : DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL;
}
