import { layout, u64 } from "../../binary/index.ts";
import { callNowhere } from "../faults/unloaded-call.ts";
import type { KernelFunction } from "../image/loaded-image.ts";
import type { Thread } from "../threads/thread.ts";
import type { Routine } from "../threads/wait.ts";
import type { Kernel } from "./kernel.ts";
import type { Services } from "./services.ts";

/** WORK_QUEUE_ITEM. Source: Microsoft's public wdm.h documentation. */
export const workQueueItem = layout("WORK_QUEUE_ITEM", 0x20, {
  flink: u64(0x00, "the list of items that wait"),
  blink: u64(0x08),
  workerRoutine: u64(0x10),
  parameter: u64(0x18),
});

const ROUTINE = BigInt(workQueueItem.fields.workerRoutine.offset);

/** A routine in an image, and what it does on the thread that calls it. */
export interface Work {
  readonly function: KernelFunction;
  readonly body: (thread: Thread) => Routine;
}

/** Work that waits for a thread of the system: a list of WORK_QUEUE_ITEMs that lie wherever their owners keep them. */
export class WorkQueue {
  readonly #kernel: Kernel;
  readonly #head: bigint;
  readonly #works = new Map<bigint, Work>();
  #wake: (() => void) | null = null;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#head = kernel.variable("ExWorkerQueue");
    kernel.memory.initializeList(this.#head);
  }

  /** @param item address of a WORK_QUEUE_ITEM that is not in the list */
  insert(item: bigint, work: Work): void {
    const { memory } = this.#kernel;
    memory.put(workQueueItem, item, { workerRoutine: work.function.address, parameter: item });
    memory.insertTail(this.#head, item);
    this.#works.set(item, work);
    this.#wake?.();
    this.#wake = null;
  }

  /** Items that wait, by their addresses, with that of their routine. */
  waiting(): { readonly item: bigint; readonly routine: bigint }[] {
    const { processor } = this.#kernel.memory;
    const found: { item: bigint; routine: bigint }[] = [];
    for (let item = processor.readU64(this.#head); item !== this.#head; item = processor.readU64(item))
      found.push({ item, routine: processor.readU64(item + ROUTINE) });
    return found;
  }

  /** Starts the thread that does the work, one item after the other. */
  start(services: Services): void {
    const { processes, images, dispatcher } = this.#kernel;
    const nt = (name: string) => images.find(`nt!${name}`);
    const thread = processes.createThread(processes.system, nt("ExpWorkerThread").address);
    const serve = () => this.#serve(services, thread);
    const routine = function* (): Routine {
      thread.enter(nt("KiStartSystemThread"));
      thread.enter(nt("PspSystemThreadStartup"), [], "SystemRoutine");
      thread.enter(nt("ExpWorkerThread"), [], "StartRoutine");
      for (;;) yield* serve();
    };
    thread.routine = routine();
    dispatcher.makeReady(thread);
  }

  *#serve(services: Services, thread: Thread): Routine {
    const { memory, images } = this.#kernel;
    const item = memory.processor.readU64(this.#head);
    if (item === this.#head) {
      yield* services.keWaitForSingleObject(thread, (wake) => {
        this.#wake = wake;
      });
      return;
    }
    const address = memory.processor.readU64(item + ROUTINE);
    const work = this.#works.get(item)!;
    memory.removeEntry(item);
    this.#works.delete(item);
    if (images.imageAt(address) === undefined) callNowhere(this.#kernel, thread, address, "WorkerRoutine");
    yield* thread.callWaiting(work.function, [item], () => work.body(thread), "WorkerRoutine");
  }
}
