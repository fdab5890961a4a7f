import type { Random } from "../../src/binary/index.ts";
import type { BlockRequest, Load, Numbers } from "../../src/storage/index.ts";

/** Hard page faults at random moments: reads of one page from a page file, on which a thread waits. */
export class PageFaults implements Load {
  readonly #owner: number;
  readonly #rate: number;
  readonly #first: number;
  readonly #pages: number;
  readonly #random: Random;
  readonly #numbers: Numbers;
  next: number;

  /** `rate`: faults a second. The page file begins at `first` and has so many pages. */
  constructor(owner: number, rate: number, first: number, pages: number, random: Random, numbers: Numbers) {
    this.#owner = owner;
    this.#rate = rate;
    this.#first = first;
    this.#pages = pages;
    this.#random = random;
    this.#numbers = numbers;
    this.next = this.#pause();
  }

  take(): BlockRequest {
    const arrival = this.next;
    this.next += this.#pause();
    return {
      id: this.#numbers.next(),
      sector: this.#first + 8 * this.#random.below(this.#pages),
      sectors: 8,
      write: false,
      arrival,
      owner: this.#owner,
      class: "critical",
      deadline: Number.POSITIVE_INFINITY,
    };
  }

  completed(): void {}

  /** Milliseconds until the next, as independent events have it. */
  #pause(): number {
    return (-Math.log(1 - this.#random.between(0, 1)) * 1000) / this.#rate;
  }
}
