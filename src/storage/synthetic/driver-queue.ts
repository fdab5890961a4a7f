import type { BlockRequest } from "../request.ts";

/** `Scheduling policy` of DiskSim's `disksim_ioqueue`, those by address. */
export const DRIVER_POLICIES = { 1: "FCFS", 3: "C-LOOK", 4: "SSTF" } as const;

export type DriverPolicy = (typeof DRIVER_POLICIES)[keyof typeof DRIVER_POLICIES];

/** What waits before a device, ordered by address as an old driver does it, who knows of the disk nothing else. */
export class DriverQueue {
  readonly #prefersUrgent: boolean;
  readonly #urgent: AddressOrder;
  readonly #others: AddressOrder;

  /** @param prefersUrgent whether requests that a process is to wait for go before all others */
  constructor(policy: DriverPolicy, prefersUrgent: boolean) {
    this.#prefersUrgent = prefersUrgent;
    this.#urgent = new AddressOrder(policy);
    this.#others = new AddressOrder(policy);
  }

  add(request: BlockRequest, isUrgent: boolean): void {
    (isUrgent && this.#prefersUrgent ? this.#urgent : this.#others).add(request);
  }

  /** The request to hand over, which leaves the queue; null: none waits. */
  take(): BlockRequest | null {
    return this.#urgent.take() ?? this.#others.take();
  }
}

/** Requests in a policy's order, which goes on from the last one that left here. */
class AddressOrder {
  readonly #policy: DriverPolicy;
  readonly #waiting: BlockRequest[] = [];
  /** Where the last one began; behind it where the way to the next counts. */
  #last = 0;

  constructor(policy: DriverPolicy) {
    this.#policy = policy;
  }

  add(request: BlockRequest): void {
    this.#waiting.push(request);
  }

  take(): BlockRequest | null {
    let next = -1;
    let least = Number.POSITIVE_INFINITY;
    for (const [index, request] of this.#waiting.entries()) {
      const cost = this.#cost(request);
      if (cost >= least) continue;
      least = cost;
      next = index;
    }
    if (next < 0) return null;
    const [request] = this.#waiting.splice(next, 1);
    this.#last = this.#policy === "SSTF" ? request!.sector + request!.sectors : request!.sector;
    return request!;
  }

  #cost({ id, sector }: BlockRequest): number {
    switch (this.#policy) {
      case "FCFS":
        return id;
      case "C-LOOK":
        return sector >= this.#last ? sector - this.#last : sector + 2 ** 52;
      case "SSTF":
        return Math.abs(sector - this.#last);
    }
  }
}
