import type { BlockRequest, Completion, RequestStatus } from "../../storage/index.ts";

/**
 * Milliseconds after which a driver gives a request up: the default of the disk class driver (learn.microsoft.com, Registry Entries for SCSI
 * Miniport Drivers, TimeoutValue).
 */
export const REQUEST_TIMEOUT = 10_000;

/** How often a request is tried again: NUM_IO_RETRIES of Microsoft's class driver since Windows 8.1 (Windows-driver-samples, classpnp, classp.h). */
const MOST_RETRIES = 4;

/**
 * Milliseconds from a failure to the next try, for what is tried again at all (the same, ClassInterpretSenseInfo): a timeout counts as an error of
 * the device and waits a second, a reset does not. Errors of the medium and a device that is gone are final.
 */
const PAUSES: Partial<Readonly<Record<RequestStatus, number>>> = { "timed-out": 1_000, reset: 0 };

interface Tries {
  retries: number;
  /** The most sectors that any try has transferred. */
  transferred: number;
}

/**
 * What the driver of a disk tries again. A request goes alone then, and before what the scheduler has: whoever waits for it has waited long, and
 * whatever its neighbours in a transfer came upon is not to be its own. Times are milliseconds.
 */
export class DiskRetries {
  readonly #tries = new WeakMap<BlockRequest, Tries>();
  /** By time. */
  readonly #waiting: { readonly request: BlockRequest; readonly at: number }[] = [];
  #count = 0;

  /** How often anything was tried again. */
  get count(): number {
    return this.#count;
  }

  /** When something is to be tried again. Infinity: nothing is. */
  get next(): number {
    return this.#waiting[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** What is to be tried again by now. */
  take(now: number): BlockRequest | null {
    return this.next <= now ? this.#waiting.shift()!.request : null;
  }

  /** How a request ended, which is the transfer's or a part of it. Null: it has not, and is tried again. */
  ended(request: BlockRequest, { request: transfer, at, status, transferred }: Completion): Completion | null {
    const reached = transferred - (request.sector - transfer.sector);
    // The drive says which sector it could not read: those before it were read, those behind it were not tried.
    if (status === "unreadable" && reached >= request.sectors)
      return { request, at, status: "done", transferred: request.sectors };
    if (status === "unreadable" && reached < 0) {
      this.#again(request, at);
      return null;
    }
    const tries = this.#tries.get(request) ?? { retries: 0, transferred: 0 };
    tries.transferred = Math.max(tries.transferred, Math.min(reached, request.sectors));
    const pause = PAUSES[status];
    if (pause === undefined || tries.retries === MOST_RETRIES)
      return { request, at, status, transferred: tries.transferred };
    tries.retries++;
    this.#tries.set(request, tries);
    this.#again(request, at + pause);
    return null;
  }

  #again(request: BlockRequest, at: number): void {
    this.#count++;
    const later = this.#waiting.findIndex((other) => other.at > at);
    this.#waiting.splice(later === -1 ? this.#waiting.length : later, 0, { request, at });
  }
}
