import type { PageFault } from "../../hypervisor/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Services } from "../kernel/services.ts";
import type { Thread } from "../threads/thread.ts";
import type { Routine } from "../threads/wait.ts";
import { bugCheck } from "./bug-check.ts";

const KERNEL_DATA_INPAGE_ERROR = 0x7a;

/**
 * A fault at a page that is in the page file: the thread waits until it is read, and the instruction at `rip` is tried again. A page that cannot be
 * read is 0x7A: the address of its page-table entry, the NTSTATUS of the read, the entry, and the address that was touched.
 */
export function* hardFault(kernel: Kernel, services: Services, thread: Thread, fault: PageFault, rip: bigint): Routine {
  const nt = (name: string) => kernel.images.find(`nt!${name}`);
  const page = fault.address & ~0xfffn;
  thread.trap(nt("KiPageFault"), { errorCode: fault.errorCode, address: fault.address, rip });
  const path = ["MmAccessFault", "MiDispatchFault", "MiIssueHardFault"];
  for (const name of path) thread.enter(nt(name), [fault.address]);
  thread.enter(nt("MiWaitForInPageComplete"), [page]);
  let status = 0;
  yield* services.keWaitForSingleObject(thread, (wake) =>
    kernel.pageable.bringIn(page, (ended) => {
      status = ended;
      wake();
    }),
  );
  if (status !== 0) {
    const entry = kernel.layout.pteBase + (BigInt.asUintN(48, fault.address) >> 12n) * 8n;
    const parameters = [entry, BigInt(status), kernel.pageable.entryOf(page), fault.address] as const;
    bugCheck(kernel, thread, KERNEL_DATA_INPAGE_ERROR, parameters);
  }
  thread.leave();
  for (const _ of path) thread.leave();
  thread.returnFromTrap();
}
