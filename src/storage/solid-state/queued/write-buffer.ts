import type { EventQueue } from "./event-queue.ts";
import type { QueuedDeviceParameters } from "./parameters.ts";

const SECTOR_BYTES = 512;

/**
 * The memory in which what is written waits for the flash. It does one access after the other. A page goes on to the flash as soon as it
 * comes, but for one that has just been written before; and nothing more comes in while too much is on its way.
 */
export class WriteBuffer {
  readonly #device: QueuedDeviceParameters;
  readonly #events: EventQueue;
  /** By page, the number of its last write. */
  readonly #pages = new Map<number, number>();
  readonly #recent = new Set<number>();
  #forgetAt = 0;
  #busyUntil = 0;
  #destaged = 0;

  constructor(device: QueuedDeviceParameters, events: EventQueue) {
    this.#device = device;
    this.#events = events;
  }

  holds(page: number): boolean {
    return this.#pages.has(page);
  }

  get isFull(): boolean {
    return this.#destaged >= this.#device.mostDestaged;
  }

  /** Takes a page in. @returns whether it goes on to the flash now */
  put(page: number, sectors: number, write: number): boolean {
    this.#pages.set(page, write);
    if (this.#recent.has(page)) return false;
    this.#recent.add(page);
    this.#destaged += sectors;
    return true;
  }

  /** A page has been programmed as it was at a write: it is needed no more, unless it was written again. */
  programmed(page: number, sectors: number, write: number): void {
    this.#destaged -= sectors;
    const last = this.#pages.get(page);
    if (last !== undefined && write >= last) this.#pages.delete(page);
  }

  /** Forgets, now and then, which pages were written lately. */
  age(): void {
    if (this.#events.now <= this.#forgetAt) return;
    this.#recent.clear();
    this.#forgetAt = this.#events.now + this.#device.hotFor;
  }

  /** Calls back when so much has passed the memory's one port. */
  access(sectors: number, then: () => void): void {
    this.#busyUntil = Math.max(this.#busyUntil, this.#events.now) + this.#accessTime(sectors * SECTOR_BYTES);
    this.#events.at(this.#busyUntil, then);
  }

  /** MQSim counts whole rows at half their bytes, and what is left of the last at twice its rate in bytes a nanosecond. */
  #accessTime(bytes: number): number {
    const { bufferRate, bufferLatency, bufferRowBytes } = this.#device;
    if (bytes <= bufferRowBytes) return bufferLatency + bytes / bufferRate;
    const rows = Math.floor(bytes / bufferRowBytes / 2);
    const rest = bytes % bufferRowBytes;
    return (1.5 * bufferLatency + bufferRowBytes / bufferRate) * rows + bufferLatency + rest / 1e4;
  }
}
