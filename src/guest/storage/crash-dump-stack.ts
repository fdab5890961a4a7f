import { hex, PAGE_SIZE } from "../../binary/index.ts";
import { DUMP_HEADER_SIZE } from "../../dumpfile/index.ts";
import type { LoadedImage } from "../image/loaded-image.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { TICKS_PER_SECOND } from "../threads/virtual-clock.ts";
import type { PageFileDevice, PolledTransfer } from "./page-file-device.ts";

/** A driver in dump mode has 32 KiB of memory that a device can reach, and one request at a time (systems.md 2.1). */
const TRANSFER_PAGES = 8;
/** Seconds that a request may take. */
const PATIENCE = 10;
/** What a page file needs for a complete dump besides room for all of memory. */
const SPARE_BYTES = 2 ** 20;
const MEBIBYTE = 2 ** 20;
const HEADER_PAGES = DUMP_HEADER_SIZE / PAGE_SIZE;

/** Ticks between two looks at a request that is under way. */
export const POLL_TICKS = TICKS_PER_SECOND / 10_000;

/** How the dump ended that a guest writes of itself. */
export interface SelfDump {
  /** Bytes of it in the page file, its header included. */
  readonly bytes: number;
  /** What it took. */
  readonly seconds: number;
  /** Why there is none, as a sentence; null: it is complete. */
  readonly failure: string | null;
}

/** What a request is that was never handed to the device. */
const UNANSWERED: PolledTransfer = { status: null };

/**
 * The way to the boot device that a kernel takes when it has stopped, beside file systems and the ordinary drivers: second copies of
 * the port driver and of the adapter's, loaded at start, which write the page file where it lies on the disk. Nothing interrupts any more, so
 * every request is polled.
 *
 * What the page file holds then is a dump as `DUMP_HEADER64` describes it, with all of memory. The header is written last, and an older one
 * is erased first: a dump that was cut off is none.
 */
export class CrashDumpStack {
  readonly #kernel: Kernel;
  readonly #device: PageFileDevice;
  readonly #adapterDriver: LoadedImage;

  /** @param adapterDriver the driver of the boot device's adapter, as it ran before the stop */
  constructor(kernel: Kernel, device: PageFileDevice, adapterDriver: LoadedImage) {
    this.#kernel = kernel;
    this.#device = device;
    this.#adapterDriver = adapterDriver;
  }

  /** Writes the dump; goes on each time a poll is due. */
  *write(): Generator<undefined, SelfDump> {
    const { clock } = this.#kernel;
    const begun = clock.now;
    let pages = 0;
    let failure = this.#tooSmall();
    for (const { at, bytes } of failure === null ? this.#parts() : []) {
      failure = yield* this.#transfer(at, bytes);
      if (failure !== null) break;
      pages = Math.max(pages, at + bytes.length / PAGE_SIZE);
    }
    return { bytes: pages * PAGE_SIZE, seconds: (clock.now - begun) / TICKS_PER_SECOND, failure };
  }

  /** What is written where in the page file, in this order. */
  *#parts(): Generator<{ readonly at: number; readonly bytes: Uint8Array }> {
    const { physical, tables, dumpHeader } = this.#kernel;
    yield { at: 0, bytes: new Uint8Array(DUMP_HEADER_SIZE) };
    for (let page = 0; page < physical.pages; page += TRANSFER_PAGES) {
      const count = Math.min(TRANSFER_PAGES, physical.pages - page);
      yield { at: HEADER_PAGES + page, bytes: physical.read(page * PAGE_SIZE, count * PAGE_SIZE) };
    }
    yield { at: 0, bytes: physical.read(tables.translate(dumpHeader)!, DUMP_HEADER_SIZE) };
  }

  #tooSmall(): string | null {
    const needed = this.#kernel.physical.pages * PAGE_SIZE + SPARE_BYTES;
    const has = this.#device.pages * PAGE_SIZE;
    if (has >= needed) return null;
    return `the page file has ${has / MEBIBYTE} MiB, a complete dump needs ${needed / MEBIBYTE} MiB`;
  }

  *#transfer(page: number, bytes: Uint8Array): Generator<undefined, string | null> {
    const { clock } = this.#kernel;
    const deadline = clock.now + PATIENCE * TICKS_PER_SECOND;
    const transfer = this.#adapterIsBusy() ? UNANSWERED : this.#device.writePolled(page, bytes);
    while (transfer.status === null) {
      if (clock.now >= deadline) return this.#silence();
      yield;
    }
    return transfer.status === 0 ? null : `the disk answered a write with ${hex(transfer.status)}`;
  }

  #silence(): string {
    const { name } = this.#adapterDriver;
    const who = `dump_${name} had no answer from the adapter for ${PATIENCE} s`;
    return this.#adapterIsBusy() ? `${who}: ${name} stopped in the middle of a command` : who;
  }

  /**
   * The kernel stopped while the driver of the adapter was at work: its command is never ended, and a driver in dump mode cannot reset the
   * bus to be rid of it.
   */
  #adapterIsBusy(): boolean {
    return this.#kernel.processors.some(({ current }) => current.isWithin(this.#adapterDriver));
  }
}
