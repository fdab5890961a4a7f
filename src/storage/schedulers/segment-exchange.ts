import type { Random } from "../../binary/index.ts";

/** What must be gained at least, or rounding errors could exchange the same segments for ever. */
const LEAST_GAIN = 1e-9;
/** A disturbance moves segments of at most so many stops: near together, it is soon mended. */
const LONGEST_MOVED = 10;

/**
 * A closed tour that becomes shorter by exchanging two segments that follow each other. Of the moves that renew three arcs (3-opt, Lin 1965)
 * this is the one that turns no segment round, and ways differ by direction.
 */
export class SegmentExchange {
  readonly #size: number;
  readonly #costs: Float64Array;
  /** Twice round, so that a position behind another needs no remainder. */
  readonly #order: Int32Array;
  readonly #position: Int32Array;
  readonly #next: Int32Array;
  readonly #pending: Int32Array;
  readonly #isPending: Uint8Array;
  #pendingCount = 0;

  /** Costs from each stop to each other, row by row; the stops are in their order at first. */
  constructor(costs: Float64Array, size: number) {
    this.#size = size;
    this.#costs = costs;
    this.#order = new Int32Array(2 * size);
    this.#position = new Int32Array(size);
    this.#next = new Int32Array(size);
    this.#pending = new Int32Array(size);
    this.#isPending = new Uint8Array(size);
    this.follow(this.#next.map((_, stop) => stop));
    for (let stop = 0; stop < size; stop++) this.#lookAt(stop);
  }

  get cost(): number {
    const [order, size] = [this.#order, this.#size];
    let sum = 0;
    for (let at = 0; at < size; at++) sum += this.#costs[order[at]! * size + order[at + 1]!]!;
    return sum;
  }

  copyTo(order: Int32Array): void {
    for (let at = 0; at < this.#size; at++) order[at] = this.#order[at]!;
  }

  follow(order: Int32Array): void {
    for (let at = 0; at < this.#size; at++) {
      const stop = order[at]!;
      this.#order[at] = stop;
      this.#order[at + this.#size] = stop;
      this.#position[stop] = at;
    }
  }

  /** Exchanges segments where something changed, until no exchange makes the tour shorter. */
  improve(): void {
    while (this.#pendingCount > 0) {
      const stop = this.#pending[--this.#pendingCount]!;
      this.#isPending[stop] = 0;
      while (this.#exchangeBehind(stop));
    }
  }

  /** Reverses the order of three segments (a double bridge), each in its direction: no single exchange undoes it. */
  disturb(random: Random): void {
    const longest = Math.min(LONGEST_MOVED, Math.floor((this.#size - 1) / 3));
    if (longest === 0) return;
    const first = 1 + random.below(this.#size);
    const second = first + 1 + random.below(longest);
    const third = second + 1 + random.below(longest);
    const end = third + 1 + random.below(longest);
    for (const cut of [first, second, third, end]) this.#lookAtCut(cut);
    let at = this.#take(third, end, 0);
    at = this.#take(second, third, at);
    at = this.#take(first, second, at);
    this.#take(end, first + this.#size, at);
    this.follow(this.#next);
  }

  /** Makes the best exchange of a segment that begins behind a stop with the one that follows it; false where none gains. */
  #exchangeBehind(stop: number): boolean {
    const [costs, order, position, size] = [this.#costs, this.#order, this.#position, this.#size];
    const first = position[stop]! + 1;
    const follower = order[first]!;
    const left = costs[stop * size + follower]!;
    let most = LEAST_GAIN;
    let second = 0;
    let end = 0;
    for (let to = 0; to < size; to++) {
      // In an exchange that gains, one of the three new arcs costs less than the one that leaves the same stop.
      const saved = left - costs[stop * size + to]!;
      if (saved <= 0 || to === stop) continue;
      const begins = position[to]! < first ? position[to]! + size : position[to]!;
      const before = order[begins - 1]! * size;
      const gain = saved + costs[before + to]!;
      for (let ends = begins + 1; ends < first + size; ends++) {
        const last = order[ends - 1]! * size;
        const after = order[ends]!;
        const sum = gain + costs[last + after]! - costs[last + follower]! - costs[before + after]!;
        if (sum <= most) continue;
        most = sum;
        second = begins;
        end = ends;
      }
    }
    if (end === 0) return false;
    for (const cut of [first, second, end]) this.#lookAtCut(cut);
    let at = this.#take(second, end, 0);
    at = this.#take(first, second, at);
    this.#take(end, first + size, at);
    this.follow(this.#next);
    return true;
  }

  #take(from: number, to: number, at: number): number {
    for (let position = from; position < to; position++) this.#next[at++] = this.#order[position % this.#size]!;
    return at;
  }

  #lookAtCut(position: number): void {
    this.#lookAt(this.#order[(position - 1) % this.#size]!);
    this.#lookAt(this.#order[position % this.#size]!);
  }

  #lookAt(stop: number): void {
    if (this.#isPending[stop]) return;
    this.#isPending[stop] = 1;
    this.#pending[this.#pendingCount++] = stop;
  }
}
