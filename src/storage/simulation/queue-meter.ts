import { type BlockRequest, type Completion, REQUEST_CLASSES, type RequestClass } from "../request.ts";
import type { Scheduler } from "../scheduler.ts";

/** What requests are told apart by in figures: streams' are "periodic", whatever class they have. */
export const REQUEST_KINDS = ["periodic", ...REQUEST_CLASSES] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

export const kindOf = (request: BlockRequest): RequestKind =>
  request.deadline === Number.POSITIVE_INFINITY ? request.class : "periodic";

const RANKS = new Map<RequestClass, number>(REQUEST_CLASSES.map((name, rank) => [name, rank]));
const NOTHING = -1;

/** Requests of one kind and class that came, and how long they waited while the device had a lower class's. */
export interface Inversion {
  readonly kind: RequestKind;
  readonly arrived: number;
  /** Milliseconds, of all of them together. */
  readonly inverted: number;
}

interface Group extends Inversion {
  readonly rank: number;
  arrived: number;
  waiting: number;
  inverted: number;
}

/**
 * A scheduler of a device that takes one request at a time, and what waits in it, measured. A request of several parts has the class of
 * its most urgent one. Requests keep the class that they came with.
 */
export class QueueMeter implements Scheduler {
  readonly name: string;
  readonly #scheduler: Scheduler;
  readonly #groups: Group[] = [];
  /** All that came and are not complete. */
  readonly #open = new Map<BlockRequest, Group>();
  /** The rank of what the device has. */
  #served = NOTHING;
  #last = 0;
  /** Requests times milliseconds. */
  #depth = 0;

  constructor(scheduler: Scheduler) {
    this.name = scheduler.name;
    this.#scheduler = scheduler;
  }

  get size(): number {
    return this.#scheduler.size;
  }

  get wakeAt(): number {
    return this.#scheduler.wakeAt;
  }

  add(request: BlockRequest, now: number): void {
    this.#advance(now);
    const group = this.#groupOf(request);
    group.arrived++;
    group.waiting++;
    this.#open.set(request, group);
    this.#scheduler.add(request, now);
  }

  take(now: number): BlockRequest | null {
    const taken = this.#scheduler.take(now);
    if (taken === null) return null;
    this.#advance(now);
    this.#served = taken.sectors === 0 ? RANKS.get(taken.class)! : REQUEST_CLASSES.length;
    for (const part of taken.parts ?? [taken]) {
      const group = this.#open.get(part)!;
      group.waiting--;
      this.#served = Math.min(this.#served, group.rank);
    }
    return taken;
  }

  completed(completion: Completion): void {
    this.#advance(completion.at);
    this.#served = NOTHING;
    for (const part of completion.request.parts ?? [completion.request]) this.#open.delete(part);
    this.#scheduler.completed(completion);
  }

  /** Requests that came and are not complete, in order of arrival. */
  open(): Iterable<BlockRequest> {
    return this.#open.keys();
  }

  /** How many requests waited or were served in the mean, from 0 to `end`. */
  depth(end: number): number {
    this.#advance(end);
    return this.#depth / end;
  }

  /** How long requests waited while one of a lower class was served, from 0 to `end`. */
  inversions(end: number): readonly Inversion[] {
    this.#advance(end);
    return this.#groups;
  }

  #groupOf(request: BlockRequest): Group {
    const kind = kindOf(request);
    const rank = RANKS.get(request.class)!;
    for (const group of this.#groups) if (group.kind === kind && group.rank === rank) return group;
    const group = { kind, rank, arrived: 0, waiting: 0, inverted: 0 };
    this.#groups.push(group);
    return group;
  }

  #advance(now: number): void {
    const passed = now - this.#last;
    this.#last = now;
    this.#depth += passed * this.#open.size;
    for (const group of this.#groups) if (group.rank < this.#served) group.inverted += passed * group.waiting;
  }
}
