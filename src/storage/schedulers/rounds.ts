import type { PositionedDevice } from "../device.ts";
import { type BlockRequest, REQUEST_CLASSES, type RequestClass } from "../request.ts";
import type { Scheduler } from "../scheduler.ts";
import { Queued } from "./queued.ts";
import { roundOrder } from "./round-order.ts";

/** Of each aperiodic class in a round; critical requests have no slots, they join the sweep at once. */
const SLOTS: Readonly<Record<RequestClass, number>> = {
  critical: 0,
  high: 4,
  interactive: 3,
  normal: 3,
  background: 2,
  low: 1,
  idle: 1,
};

export interface RoundsParameters {
  /** Requests of a round (`roundSize`). */
  readonly size: number;
  /** Milliseconds that a round of that size takes at most (`serviceBound`). */
  readonly bound: number;
  readonly periodicSlots: number;
  readonly slots?: Readonly<Record<RequestClass, number>>;
}

/**
 * The rounds of US7206866 (systems.md 5.3): the streams' requests that are due soon in order of deadlines, then each class's first ones up
 * to its slots, then whoever waits for slots that are left; all in one sweep over the disk, which nothing joins but what is
 * critical.
 */
export class Rounds implements Scheduler {
  readonly name: string;
  readonly wakeAt = Number.POSITIVE_INFINITY;
  readonly #device: PositionedDevice | null;
  readonly #parameters: RoundsParameters;
  readonly #slots: Readonly<Record<RequestClass, number>>;
  readonly #periodic: BlockRequest[] = [];
  readonly #classes = new Map<RequestClass, BlockRequest[]>(REQUEST_CLASSES.map((name) => [name, []]));
  readonly #sweep: BlockRequest[] = [];
  /** Rounds begun. */
  rounds = 0;

  /** With a device, a round goes in the order of the shortest way by arm and rotation, and not upwards; the bound holds for both. */
  constructor(parameters: RoundsParameters, device: PositionedDevice | null = null) {
    this.name = device === null ? "rounds" : "rounds by position";
    this.#device = device;
    this.#parameters = parameters;
    this.#slots = parameters.slots ?? SLOTS;
  }

  get size(): number {
    let waiting = this.#periodic.length + this.#sweep.length;
    for (const queue of this.#classes.values()) waiting += queue.length;
    return waiting;
  }

  add(request: BlockRequest): void {
    if (request.deadline !== Number.POSITIVE_INFINITY) insert(this.#periodic, request, (one) => one.deadline);
    else if (request.class === "critical" && this.#sweep.length > 0 && this.#device === null)
      insert(this.#sweep, request, (one) => one.sector);
    else if (request.class === "critical" && this.#sweep.length > 0) this.#sweep.unshift(request);
    else this.#classes.get(request.class)!.push(request);
  }

  take(now: number): BlockRequest | null {
    if (this.#sweep.length === 0) this.#fill(now);
    return this.#sweep.shift() ?? null;
  }

  completed(): void {}

  #fill(now: number): void {
    this.#choose(now);
    if (this.#device === null || this.#sweep.length < 2) return;
    const stops = this.#sweep.map((request) => new Queued(request, this.#device!));
    const order = roundOrder(stops, this.#device, this.#device.freeAt(now));
    this.#sweep.splice(0, stops.length, ...order.map((stop) => stops[stop]!.request));
  }

  #choose(now: number): void {
    this.rounds++;
    const { size, bound, periodicSlots } = this.#parameters;
    let left = size;
    for (let slots = periodicSlots; slots > 0 && left > 0 && this.#isDue(now + 2 * bound); slots--, left--)
      this.#join(this.#periodic.shift()!);
    for (const request of this.#classes.get("critical")!.splice(0, left)) {
      this.#join(request);
      left--;
    }
    for (const name of REQUEST_CLASSES) left -= this.#move(name, Math.min(left, this.#slots[name]));
    for (const name of REQUEST_CLASSES) left -= this.#move(name, left);
    while (left-- > 0 && this.#periodic.length > 0) this.#join(this.#periodic.shift()!);
  }

  /** The first stream's request must be served in this round or the next. */
  #isDue(time: number): boolean {
    const [first] = this.#periodic;
    return first !== undefined && first.deadline <= time;
  }

  #move(name: RequestClass, count: number): number {
    const moved = this.#classes.get(name)!.splice(0, count);
    for (const request of moved) this.#join(request);
    return moved.length;
  }

  #join(request: BlockRequest): void {
    insert(this.#sweep, request, (one) => one.sector);
  }
}

function insert(queue: BlockRequest[], request: BlockRequest, key: (request: BlockRequest) => number): void {
  let place = queue.length;
  while (place > 0 && key(queue[place - 1]!) > key(request)) place--;
  queue.splice(place, 0, request);
}
