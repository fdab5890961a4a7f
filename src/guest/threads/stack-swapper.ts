import { PAGE_SIZE } from "../../binary/index.ts";
import { bugCheck } from "../faults/bug-check.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Services } from "../kernel/services.ts";
import type { Thread } from "./thread.ts";
import type { Routine } from "./wait.ts";

const KERNEL_STACK_INPAGE_ERROR = 0x77;
/** The only page file that there is. */
const PAGE_FILE = 0n;

/** Starts the thread that brings kernel stacks back from the page file. */
export function startStackSwapper(kernel: Kernel, services: Services): void {
  const { processes, images, dispatcher, stacks } = kernel;
  const nt = (name: string) => images.find(`nt!${name}`);
  const thread = processes.createThread(processes.system, nt("KeSwapProcessOrStack").address);
  const routine = function* (): Routine {
    thread.enter(nt("KiStartSystemThread"));
    thread.enter(nt("PspSystemThreadStartup"), [], "SystemRoutine");
    thread.enter(nt("KeSwapProcessOrStack"), [], "StartRoutine");
    for (;;) {
      yield* services.keWaitForSingleObject(thread, (wake) => stacks.whenWanted(wake));
      for (let wanted = stacks.nextWanted(); wanted !== undefined; wanted = stacks.nextWanted()) {
        yield* bringBack(kernel, services, thread, wanted);
        stacks.broughtBack(wanted);
      }
    }
  };
  thread.routine = routine();
  dispatcher.makeReady(thread);
}

/**
 * Reads the pages of a thread's stack. One that cannot be read is 0x77, by whichever thread it may be wanted: the NTSTATUS of the read, twice, the number
 * of the page file, and the page of it.
 */
function* bringBack(kernel: Kernel, services: Services, thread: Thread, { stackLimit, stackBase }: Thread): Routine {
  const path = ["KiInSwapKernelStacks", "MmInPageKernelStack", "MiInPageSingleKernelStack"];
  for (const name of path) thread.enter(kernel.images.find(`nt!${name}`), [stackLimit]);
  for (let page = stackLimit; page < stackBase; page += BigInt(PAGE_SIZE)) {
    let status = 0;
    yield* services.keWaitForSingleObject(thread, (wake) =>
      kernel.pageable.bringIn(page, (ended) => {
        status = ended;
        wake();
      }),
    );
    if (status !== 0) {
      const parameters = [BigInt(status), BigInt(status), PAGE_FILE, BigInt(kernel.pageable.slotOf(page))] as const;
      bugCheck(kernel, thread, KERNEL_STACK_INPAGE_ERROR, parameters);
    }
  }
  for (const _ of path) thread.leave();
}
