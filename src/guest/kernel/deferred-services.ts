import type { KernelFunction } from "../image/loaded-image.ts";
import type { Thread } from "../threads/thread.ts";
import type { Kernel } from "./kernel.ts";
import type { DeferredCall } from "./pending-calls.ts";
import type { Work } from "./work-queue.ts";

/** What drivers call to have something done later. The objects lie in memory of their own. */
export class DeferredServices {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** @param timer address of a KTIMER @param dpc address of a KDPC */
  keSetTimer(thread: Thread, timer: bigint, dpc: bigint, seconds: number, call: DeferredCall): void {
    const { pending } = this.#kernel;
    thread.call(this.#nt("KeSetTimer"), [timer, dpc], () => pending.setTimer(timer, dpc, seconds, call));
  }

  /** @param timer address of a KTIMER that is set */
  keCancelTimer(thread: Thread, timer: bigint): void {
    thread.call(this.#nt("KeCancelTimer"), [timer], () => this.#kernel.pending.cancelTimer(timer));
  }

  /** Queues a DPC of low importance, which waits for the next clock interrupt. @param dpc address of a KDPC */
  keInsertQueueDpc(thread: Thread, dpc: bigint, call: DeferredCall): void {
    thread.call(this.#nt("KeInsertQueueDpc"), [dpc], () => this.#kernel.pending.queueDpc(dpc, call));
  }

  /** @param item address of a WORK_QUEUE_ITEM that does not wait already */
  exQueueWorkItem(thread: Thread, item: bigint, work: Work): void {
    thread.call(this.#nt("ExQueueWorkItem"), [item], () => this.#kernel.work.insert(item, work));
  }

  #nt(name: string): KernelFunction {
    return this.#kernel.images.find(`nt!${name}`);
  }
}
