import type { Place, PositionedDevice } from "../device.ts";
import type { BlockRequest } from "../request.ts";
import type { Queued } from "./queued.ts";

/** How much nearer a stream's request is at its deadline than at its arrival, in milliseconds. */
const URGENCY = 15;
/** Milliseconds that a plan must leave free before anything else may go, for streams that come meanwhile: the more wait, the more come. */
const MARGIN = 20;
const MARGIN_OF_EACH = 3;
/**
 * Milliseconds that are enough to follow a plan: for what it does not know, tracks that end within a transfer. Less than the margin, or
 * a short way would be given up for a sure one just when time is short, which makes it shorter.
 */
const ENOUGH = 12;
/** What plans are made with, in turn: the first have the shortest way, the last are late least. */
const PLAN_URGENCIES = [0, 16, 40, 100] as const;

/** A request that may go next, a stream's or not. */
interface Choice extends Place {
  readonly request: BlockRequest;
}

/**
 * The streams' requests, in order of deadlines, and the promise that they are met: nothing goes first that would leave no way to
 * serve all of them in time. Whether there is a way is found by making one, from where the heads and the platters will be.
 */
export class StreamGuard {
  readonly #device: PositionedDevice;
  readonly #waiting: Queued[] = [];
  readonly #left: Queued[] = [];
  /** Milliseconds of one request without its transfer, at most. */
  readonly #longest: number;
  /** When all must begin at the latest, to be in time in order of deadlines even if they lie as badly as they can. */
  #latest = Number.POSITIVE_INFINITY;
  /** The first request of the plan made last. */
  #first: Queued | null = null;

  constructor(device: PositionedDevice) {
    this.#device = device;
    this.#longest = device.limits.overhead + device.seekTime(device.cylinders - 1) + device.rotation;
  }

  get size(): number {
    return this.#waiting.length;
  }

  add(item: Queued): void {
    const waiting = this.#waiting;
    let place = waiting.length;
    while (place > 0 && waiting[place - 1]!.deadline > item.deadline) place--;
    waiting.splice(place, 0, item);
    this.#findLatest();
  }

  take(item: Queued): BlockRequest {
    this.#waiting.splice(this.#waiting.indexOf(item), 1);
    this.#findLatest();
    return item.request;
  }

  #findLatest(): void {
    this.#latest = Number.POSITIVE_INFINITY;
    let takes = 0;
    for (const { deadline, transfer } of this.#waiting) {
      takes += this.#longest + transfer;
      if (deadline - takes < this.#latest) this.#latest = deadline - takes;
    }
  }

  /** The one that is nearest, where each becomes nearer the closer its deadline is; null: none costs less than `most`. */
  nearest(at: number, most: number): Queued | null {
    const { heads } = this.#device;
    let nearest: Queued | null = null;
    let least = most + URGENCY;
    for (const item of this.#waiting) {
      const left = URGENCY * timeLeft(item, at);
      if (left >= least || this.#wayTo(item, heads) + left >= least) continue;
      const cost = this.#device.reachTime(heads, item, false, at) + left;
      if (cost >= least) continue;
      least = cost;
      nearest = item;
    }
    return nearest;
  }

  /** The arm's way alone, which is soon found, and too long for most. */
  #wayTo(item: Queued, from: Readonly<Place>): number {
    const way = item.cylinder - from.cylinder;
    return this.#device.seekTime(way < 0 ? -way : way);
  }

  /** What must go at `at` instead of a choice, whose transfer takes so long; null: the choice may go. */
  instead(choice: Choice, at: number, transfer: number): Queued | null {
    const { heads } = this.#device;
    const done = at + this.#device.reachTime(heads, choice, choice.request.write, at) + transfer;
    const margin = MARGIN + MARGIN_OF_EACH * this.#waiting.length;
    if (this.#areSafeFrom(choice, done, margin)) return null;
    const isStream = choice.request.deadline !== Number.POSITIVE_INFINITY;
    // How much too late the others would be counts for nothing where the choice itself can wait.
    const least = isStream ? Number.NEGATIVE_INFINITY : margin;
    const after = Math.min(choice.request.deadline - done, this.#slackFrom(choice, done, choice, margin, least));
    if (after >= margin) return null;
    const now = this.#slackFrom(heads, at, null, ENOUGH, Number.NEGATIVE_INFINITY);
    return isStream && after >= now ? null : this.#first;
  }

  /** Whether a choice, done at `done`, leaves time to all even if they go in order of deadlines and lie as badly as they can. */
  #areSafeFrom(choice: Choice, done: number, margin: number): boolean {
    let time = done + margin;
    if (time > choice.request.deadline) return false;
    if (time <= this.#latest) return true;
    if (choice.request.deadline === Number.POSITIVE_INFINITY) return false;
    for (const item of this.#waiting) {
      if (item === choice) continue;
      time += this.#longest + item.transfer;
      if (time > item.deadline) return false;
    }
    return true;
  }

  /**
   * The least time that any of them has left when all go from `from` on, by the first plan that leaves enough, or the best of all. Plans
   * that leave less than `least` are not made to their end, or not at all where the soonest would be too late even if it went first.
   */
  #slackFrom(from: Readonly<Place>, at: number, without: Place | null, enough: number, least: number): number {
    const soonest = this.#waiting[0]!;
    const atMost = soonest.deadline - at - this.#device.reachTime(from, soonest, false, at) - soonest.transfer;
    if (atMost < least) return atMost;
    let most = Number.NEGATIVE_INFINITY;
    let first: Queued | null = null;
    for (const urgency of PLAN_URGENCIES) {
      const slack = this.#planFrom(from, at, without, urgency, most > least ? most : least);
      if (slack <= most) continue;
      most = slack;
      first = this.#first;
      if (most >= enough) break;
    }
    this.#first = first;
    return most;
  }

  /** One plan: each time the nearest goes, where deadlines make nearer. Given up once it leaves less than `least`. */
  #planFrom(from: Readonly<Place>, at: number, without: Place | null, urgency: number, least: number): number {
    const left = this.#left;
    let count = 0;
    for (const item of this.#waiting) if (item !== without) left[count++] = item;
    let slack = Number.POSITIVE_INFINITY;
    let heads = from;
    let time = at;
    this.#first = null;
    while (count > 0 && slack >= least) {
      let next = 0;
      let nearest = Number.POSITIVE_INFINITY;
      let takes = 0;
      for (let index = 0; index < count; index++) {
        const item = left[index]!;
        const wanted = urgency === 0 ? 0 : urgency * timeLeft(item, time);
        if (this.#wayTo(item, heads) + wanted >= nearest) continue;
        const reach = this.#device.reachTime(heads, item, false, time);
        const cost = reach + wanted;
        if (cost >= nearest) continue;
        nearest = cost;
        takes = reach + item.transfer;
        next = index;
      }
      const item = left[next]!;
      this.#first ??= item;
      time += takes;
      if (item.deadline - time < slack) slack = item.deadline - time;
      heads = item;
      left[next] = left[--count]!;
    }
    return slack;
  }
}

/** The share of the time between arrival and deadline that is left. Below 0: none, and more is over. */
const timeLeft = ({ deadline, period }: Queued, at: number): number => (deadline - at) / period;
