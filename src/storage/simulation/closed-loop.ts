import type { BlockRequest, Completion, RequestClass } from "../request.ts";
import type { Load, Numbers } from "./load.ts";

/** What a load asks for, without when. */
export interface Demand {
  readonly sector: number;
  readonly sectors: number;
  readonly write: boolean;
  /** Its own, where it is not its load's. */
  readonly class?: RequestClass;
}

/** As many requests at once as its depth: when one is done, the next of the list arrives. The list is played again from its beginning. */
export class ClosedLoop implements Load {
  readonly #demands: readonly Demand[];
  readonly #owner: number;
  readonly #class: RequestClass;
  readonly #numbers: Numbers;
  #at: number;
  #open: number;
  #now = 0;

  constructor(
    demands: readonly Demand[],
    depth: number,
    owner: number,
    requestClass: RequestClass,
    numbers: Numbers,
    first = 0,
  ) {
    this.#demands = demands;
    this.#owner = owner;
    this.#class = requestClass;
    this.#numbers = numbers;
    this.#open = depth;
    this.#at = first % demands.length;
  }

  get next(): number {
    return this.#open > 0 ? this.#now : Number.POSITIVE_INFINITY;
  }

  take(): BlockRequest {
    this.#open--;
    const { sector, sectors, write, class: own } = this.#demands[this.#at]!;
    this.#at = this.#at + 1 === this.#demands.length ? 0 : this.#at + 1;
    return {
      id: this.#numbers.next(),
      sector,
      sectors,
      write,
      arrival: this.#now,
      owner: this.#owner,
      class: own ?? this.#class,
      deadline: Number.POSITIVE_INFINITY,
    };
  }

  completed({ request, at }: Completion): void {
    if (request.owner !== this.#owner) return;
    this.#open++;
    this.#now = at;
  }
}
