import type { PositionedDevice } from "../device.ts";
import type { BlockRequest } from "../request.ts";
import type { Scheduler } from "../scheduler.ts";

/** Sectors that an owner may have before another's turn, and milliseconds after which it is over in any case: BFQ's `timeout_sync`. */
const BUDGET = 4096;
const TIMEOUT = 125;
/** A soft real-time owner's weight against another's. */
const RAISED = 30;

/** An owner's requests, and its place in virtual time: when its turn may begin, and when it would be served with its share alone. */
class Owner {
  readonly waiting: BlockRequest[] = [];
  readonly weight: number;
  start = 0;
  finish = 0;
  /** The sector behind its last request. */
  at = 0;

  constructor(weight: number) {
    this.weight = weight;
  }

  /** It has a turn to come, not before `virtual`. */
  activate(virtual: number): void {
    this.start = Math.max(virtual, this.start);
    this.finish = this.start + BUDGET / this.weight;
  }
}

/**
 * Like Linux's BFQ: owners take turns by B-WF2Q+ (the one whose turn may have begun and would end first), each for a budget of sectors in order
 * of sectors, and streams have raised weight. Without its idling, since no owner here waits for its last request before the next.
 */
export class BfqLike implements Scheduler {
  readonly name = "BFQ-like";
  readonly wakeAt = Number.POSITIVE_INFINITY;
  readonly #device: PositionedDevice;
  readonly #owners = new Map<number, Owner>();
  #serving: Owner | null = null;
  /** Of the turn that goes on: sectors that were served, and when it began. */
  #used = 0;
  #begun = 0;
  #virtual = 0;
  #size = 0;

  constructor(device: PositionedDevice) {
    this.#device = device;
  }

  get size(): number {
    return this.#size;
  }

  add(request: BlockRequest): void {
    const raised = request.deadline !== Number.POSITIVE_INFINITY;
    const owner = this.#owners.get(request.owner) ?? new Owner(raised ? RAISED : 1);
    this.#owners.set(request.owner, owner);
    if (owner.waiting.length === 0 && owner !== this.#serving) owner.activate(this.#virtual);
    owner.waiting.push(request);
    this.#size++;
  }

  take(now: number): BlockRequest | null {
    if (this.#size === 0) return null;
    const isOver = this.#used >= BUDGET || now - this.#begun >= TIMEOUT;
    if (this.#serving === null || isOver || this.#serving.waiting.length === 0) this.#choose(now);
    const owner = this.#serving!;
    let next = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const [index, { sector }] of owner.waiting.entries()) {
      const way = sector >= owner.at ? sector - owner.at : sector - owner.at + this.#device.sectors;
      if (way >= least) continue;
      least = way;
      next = index;
    }
    const [request] = owner.waiting.splice(next, 1) as [BlockRequest];
    this.#size--;
    this.#used += request.sectors;
    owner.at = request.sector + request.sectors;
    return request;
  }

  #choose(now: number): void {
    const active = [...this.#owners.values()].filter((owner) => owner.waiting.length > 0);
    const last = this.#serving;
    if (last !== null) {
      const weight = [...new Set([...active, last])].reduce((sum, owner) => sum + owner.weight, 0);
      this.#virtual += this.#used / weight;
      last.start += this.#used / last.weight;
      last.activate(last.start);
    }
    // Virtual time does not stand still before the first turn that is to come.
    this.#virtual = Math.max(this.#virtual, Math.min(...active.map(({ start }) => start)));
    this.#serving = active
      .filter(({ start }) => start <= this.#virtual)
      .reduce((first, owner) => (owner.finish < first.finish ? owner : first));
    this.#used = 0;
    this.#begun = now;
  }

  completed(): void {}
}
