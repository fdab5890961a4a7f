import type { BlockDevice } from "../device.ts";
import type { BlockRequest, Completion, RequestStatus } from "../request.ts";

/** What goes wrong with a device, from a moment on. Times are milliseconds. */
export type DeviceFault =
  /** Reads of these sectors fail after the drive has tried again and again; a write makes them good (the drive takes spare ones). */
  | { readonly kind: "unreadable"; readonly from: number; readonly sector: number; readonly sectors: number }
  /** Requests of these sectors take so much longer. */
  | {
      readonly kind: "slow";
      readonly from: number;
      readonly sector: number;
      readonly sectors: number;
      readonly delay: number;
    }
  /** A write is cut off: the first part of its sectors is new, the rest old. It happens to the first write from then on. */
  | { readonly kind: "torn-write"; readonly from: number }
  /** The first request from then on is not answered; its driver gives up after so long. */
  | { readonly kind: "timeout"; readonly from: number; readonly after: number }
  /** All that is under way is lost, and comes back as such; the device goes on. */
  | { readonly kind: "reset"; readonly from: number }
  /** Nothing is answered any more but with the news that it is gone. */
  | { readonly kind: "dead"; readonly from: number };

/** How long a drive tries to read a sector before it says that it cannot. */
const RETRIES = 1_500;
/** How long it takes until it is known that a device is gone, or was reset. */
const NOTICE = 5;

/** A device that fails on purpose: the same requests and faults give the same failures. It is used as any device is, but for what `complete` says. */
export class FaultyDevice implements Omit<BlockDevice, "complete"> {
  readonly #device: BlockDevice;
  readonly #faults: DeviceFault[];
  /** What has completed in another way than the device says. */
  readonly #changed: Completion[] = [];

  constructor(device: BlockDevice, faults: readonly DeviceFault[]) {
    this.#device = device;
    this.#faults = [...faults];
  }

  get sectors(): number {
    return this.#device.sectors;
  }

  get depth(): number {
    return this.#device.depth;
  }

  get pending(): number {
    return this.#device.pending + this.#changed.length;
  }

  get next(): number {
    return Math.min(this.#device.next, this.#changed[0]?.at ?? Number.POSITIVE_INFINITY);
  }

  submit(request: BlockRequest, now: number): void {
    if (this.#has("dead", now)) this.#change(request, now + NOTICE, "gone", 0);
    else {
      const timeout = this.#once("timeout", now);
      if (timeout?.kind === "timeout") this.#change(request, now + timeout.after, "timed-out", 0);
      else this.#device.submit(request, now);
    }
  }

  /** Takes the completion that is due at `next`; null: what the device below it was done with takes longer, and `next` says until when. */
  complete(): Completion | null {
    const [changed] = this.#changed;
    if (changed !== undefined && changed.at <= this.#device.next) {
      this.#changed.shift();
      return changed;
    }
    const completion = this.#device.complete();
    const { request, at } = completion;
    const other = this.#instead(completion);
    if (other === null) return completion;
    if (other.at === at) return other;
    this.#change(request, other.at, other.status, other.transferred);
    return null;
  }

  #instead({ request, at }: Completion): Completion | null {
    if (this.#has("dead", at)) return { request, at: at + NOTICE, status: "gone", transferred: 0 };
    if (this.#once("reset", at) !== undefined) return { request, at: at + NOTICE, status: "reset", transferred: 0 };
    for (const fault of [...this.#faults]) {
      if (fault.from > at || !("sector" in fault) || !overlaps(request, fault)) continue;
      if (fault.kind === "slow") return { request, at: at + fault.delay, status: "done", transferred: request.sectors };
      if (request.write) this.#faults.splice(this.#faults.indexOf(fault), 1);
      else
        return {
          request,
          at: at + RETRIES,
          status: "unreadable",
          transferred: Math.max(0, fault.sector - request.sector),
        };
    }
    if (request.write && request.sectors > 1 && this.#once("torn-write", at) !== undefined)
      return { request, at, status: "reset", transferred: request.sectors >> 1 };
    return null;
  }

  #change(request: BlockRequest, at: number, status: RequestStatus, transferred: number): void {
    const changed = this.#changed;
    let place = changed.length;
    while (place > 0 && changed[place - 1]!.at > at) place--;
    changed.splice(place, 0, { request, at, status, transferred });
  }

  #has(kind: DeviceFault["kind"], now: number): boolean {
    return this.#faults.some((fault) => fault.kind === kind && fault.from <= now);
  }

  /** A fault that happens once, if it is due. */
  #once(kind: DeviceFault["kind"], now: number): DeviceFault | undefined {
    const index = this.#faults.findIndex((fault) => fault.kind === kind && fault.from <= now);
    return index === -1 ? undefined : this.#faults.splice(index, 1)[0];
  }
}

const overlaps = (request: BlockRequest, range: { readonly sector: number; readonly sectors: number }): boolean =>
  request.sector < range.sector + range.sectors && range.sector < request.sector + request.sectors;
