import type { Random } from "../../binary/index.ts";
import type { BlockRequest, RequestClass } from "../request.ts";
import type { Demand } from "./closed-loop.ts";
import type { Load, Numbers } from "./load.ts";

/** Demands that arrive in their own time, however many of them wait. The list is played again from its beginning. */
export class OpenLoop implements Load {
  readonly #demands: readonly Demand[];
  readonly #gaps: Float64Array;
  readonly #owner: number;
  readonly #class: RequestClass;
  readonly #numbers: Numbers;
  #at: number;
  #next: number;

  /** @param gaps milliseconds from the demand before it to each demand, as many as there are demands, not all of them 0 */
  constructor(
    demands: readonly Demand[],
    gaps: Float64Array,
    owner: number,
    requestClass: RequestClass,
    numbers: Numbers,
    first = 0,
  ) {
    this.#demands = demands;
    this.#gaps = gaps;
    this.#owner = owner;
    this.#class = requestClass;
    this.#numbers = numbers;
    this.#at = first % demands.length;
    this.#next = gaps[this.#at]!;
  }

  get next(): number {
    return this.#next;
  }

  take(): BlockRequest {
    const { sector, sectors, write, class: own } = this.#demands[this.#at]!;
    const arrival = this.#next;
    this.#at = this.#at + 1 === this.#demands.length ? 0 : this.#at + 1;
    this.#next = arrival + this.#gaps[this.#at]!;
    return {
      id: this.#numbers.next(),
      sector,
      sectors,
      write,
      arrival,
      owner: this.#owner,
      class: own ?? this.#class,
      deadline: Number.POSITIVE_INFINITY,
    };
  }

  completed(): void {}
}

/** Gaps of arrivals that know nothing of each other (a Poisson process), 1 in the mean. */
export function randomGaps(count: number, random: Random): Float64Array {
  return Float64Array.from({ length: count }, () => -Math.log((random.word() + 1) / 2 ** 32));
}

/** The same gaps, longer or shorter by one factor, so that their mean is `mean`. */
export function scaledGaps(gaps: Float64Array, mean: number): Float64Array {
  const factor = (mean * gaps.length) / gaps.reduce((sum, gap) => sum + gap, 0);
  return gaps.map((gap) => gap * factor);
}
