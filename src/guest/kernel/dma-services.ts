import { PAGE_SIZE } from "../../binary/index.ts";
import { isCheckedFor } from "../checks/armed-checks.ts";
import { dmaFault } from "../faults/dma-fault.ts";
import type { Thread } from "../threads/thread.ts";
import { TICKS_PER_SECOND } from "../threads/virtual-clock.ts";
import type { Kernel } from "./kernel.ts";

/** A driver's device and the pages that it was given. */
export interface DmaTransfer {
  readonly driverName: string;
  readonly device: bigint;
  /** Guest physical addresses of the buffer's pages, in their order. */
  readonly pages: readonly number[];
}

/** What drivers do with devices that write to memory by themselves, past the processors and their page tables. */
export class DmaServices {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Tells a driver's device where a buffer in nonpaged pool lies. With DMA remapping, it may write there from now on. */
  getScatterGatherList(thread: Thread, driverName: string, buffer: bigint, bytes: number): DmaTransfer {
    const { images, devices, tables } = this.#kernel;
    const device = devices.deviceOf(driverName);
    const get = images.find("hal!HalGetScatterGatherList");
    return thread.call(
      get,
      [device, buffer, BigInt(bytes)],
      () => {
        const pages = Array.from(
          { length: Math.ceil(bytes / PAGE_SIZE) },
          (_, page) => tables.translate(buffer + BigInt(page * PAGE_SIZE))!,
        );
        const transfer = { driverName, device, pages };
        this.#remap(thread, transfer, "map");
        return transfer;
      },
      "GetScatterGatherList",
    );
  }

  /** The transfer is over, as its driver has it. */
  putScatterGatherList(thread: Thread, transfer: DmaTransfer): void {
    const put = this.#kernel.images.find("hal!HalPutScatterGatherList");
    thread.call(put, [transfer.device], () => this.#remap(thread, transfer, "unmap"), "PutScatterGatherList");
  }

  /** After so many seconds the device writes to the start of each page. `isWrong`: the memory is not its driver's any more. */
  deviceWrites(
    seconds: number,
    transfer: DmaTransfer,
    write: { readonly bytes: number; readonly value: number; readonly isWrong: boolean },
  ): void {
    for (const gpa of transfer.pages)
      this.#kernel.clock.after(seconds * TICKS_PER_SECOND, () => this.#deviceWrite(transfer, gpa, write));
  }

  #deviceWrite(
    { driverName, device }: DmaTransfer,
    gpa: number,
    { bytes, value, isWrong }: { readonly bytes: number; readonly value: number; readonly isWrong: boolean },
  ): void {
    const { harm, dmaRemapping, frames, physical } = this.#kernel;
    const frame = Math.floor(gpa / PAGE_SIZE);
    if (dmaRemapping !== null && this.#isChecked(driverName) && !dmaRemapping.isMapped(device, frame)) {
      if (isWrong) harm.begins();
      dmaFault(this.#kernel, device, gpa);
    }
    physical.fill(gpa, bytes, value);
    if (!isWrong || frames.isFree(frame)) return;
    harm.begins();
    harm.wrote(BigInt(gpa), bytes);
  }

  #remap(thread: Thread, { driverName, device, pages }: DmaTransfer, change: "map" | "unmap"): void {
    const { dmaRemapping, nt, images } = this.#kernel;
    if (dmaRemapping === null || !this.#isChecked(driverName)) return;
    const hal = images.find("hal!HalGetScatterGatherList").image;
    const caller = thread.callerIn(({ image }) => image !== nt && image !== hal);
    for (const gpa of pages) dmaRemapping[change](device, Math.floor(gpa / PAGE_SIZE), caller);
  }

  #isChecked(driverName: string): boolean {
    return isCheckedFor(this.#kernel.checks.armed, "dma-remapping", driverName);
  }
}
