import type { PositionedDevice } from "../device.ts";
import type { BlockRequest } from "../request.ts";
import type { Scheduler } from "../scheduler.ts";
import { Queued } from "./queued.ts";

/** Milliseconds over which shares are kept, and the share of each class. */
const INTERVAL = 500;
const SHARES = { periodic: 0.5, reads: 0.3, writes: 0.2 } as const;
type Share = keyof typeof SHARES;

/**
 * Like Cello (Shenoy and Vin 1998): each class has its share of the disk's time in an interval and an order of its own, deadlines for
 * streams, a sweep for the rest; a stream's request goes when it can wait no longer, the others fill the time before.
 */
export class CelloLike implements Scheduler {
  readonly name = "Cello-like";
  readonly wakeAt = Number.POSITIVE_INFINITY;
  readonly #device: PositionedDevice;
  readonly #queues: Readonly<Record<Share, Queued[]>> = { periodic: [], reads: [], writes: [] };
  readonly #used: Record<Share, number> = { periodic: 0, reads: 0, writes: 0 };
  #intervalEnd = 0;
  /** A request's time, at most, for the last moment at which a stream's must go. */
  readonly #most: number;

  constructor(device: PositionedDevice) {
    this.#device = device;
    this.#most = device.limits.overhead + device.seekTime(device.cylinders - 1) + device.rotation;
  }

  get size(): number {
    return this.#queues.periodic.length + this.#queues.reads.length + this.#queues.writes.length;
  }

  add(request: BlockRequest): void {
    const share = request.deadline === Number.POSITIVE_INFINITY ? (request.write ? "writes" : "reads") : "periodic";
    this.#queues[share].push(new Queued(request, this.#device));
  }

  take(now: number): BlockRequest | null {
    if (this.size === 0) return null;
    if (now >= this.#intervalEnd) {
      this.#intervalEnd = now + INTERVAL;
      for (const share of Object.keys(SHARES) as Share[]) this.#used[share] = 0;
    }
    const share = this.#share(now);
    const queue = this.#queues[share];
    const { heads, cylinders } = this.#device;
    let next = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const [index, item] of queue.entries()) {
      const way = item.cylinder - heads.cylinder;
      const cost = share === "periodic" ? item.request.deadline : way >= 0 ? way : way + cylinders;
      if (cost >= least) continue;
      least = cost;
      next = index;
    }
    const [item] = queue.splice(next, 1) as [Queued];
    this.#used[share] +=
      this.#device.reachTime(heads, item, item.request.write, this.#device.freeAt(now)) + item.transfer;
    return item.request;
  }

  #share(now: number): Share {
    const { periodic } = this.#queues;
    const shares = (Object.keys(SHARES) as Share[]).filter((share) => this.#queues[share].length > 0);
    const waiting = periodic.toSorted((a, b) => a.request.deadline - b.request.deadline);
    const mustGo = waiting.some(
      (item, index) => item.request.deadline - now <= (index + 2) * (this.#most + item.transfer),
    );
    if (mustGo) return "periodic";
    const within = shares.filter((share) => this.#used[share] < SHARES[share] * INTERVAL);
    const others = within.filter((share) => share !== "periodic");
    const eligible = others.length > 0 ? others : within.length > 0 ? within : shares;
    return eligible.reduce((best, share) =>
      this.#used[share] / SHARES[share] < this.#used[best] / SHARES[best] ? share : best,
    );
  }

  completed(): void {}
}
