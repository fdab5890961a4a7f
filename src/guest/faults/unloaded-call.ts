import { PageFault } from "../../hypervisor/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Thread } from "../threads/thread.ts";
import { pageFault } from "./page-fault.ts";

/** Bit of a page fault's error code: an instruction was to be fetched. */
const FETCH = 1 << 4;

/** A call through a pointer into a driver that is not there any more: the first instruction cannot be fetched. */
export function callNowhere(kernel: Kernel, thread: Thread, address: bigint, site: string): never {
  thread.callInto(address, site);
  return pageFault(kernel, thread, new PageFault(address, FETCH), address);
}
