import type { Random } from "../../binary/index.ts";
import type { BlockRequest } from "../request.ts";
import type { Load, Numbers } from "./load.ts";

export interface StreamParameters {
  /** Milliseconds; what is asked for at its beginning is due at its end. */
  readonly period: number;
  /** Sectors of a request, in the mean where they vary. */
  readonly sectors: number;
  /** Its requests are as different as video of a variable bit rate is. */
  readonly isVariable?: boolean;
}

/**
 * Of the sizes of a film's parts: the standard deviation and the largest, in means (Garrett and Willinger, SIGCOMM 1994: 27,791 bytes a frame in
 * the mean, 6,254 and 78,459).
 */
const DEVIATION = 0.225;
const LARGEST = 2.82;

/** A stream plays a file from a place of its own, one request a period. */
interface Stream extends StreamParameters {
  readonly owner: number;
  /** The sector at which it is. */
  at: number;
  due: number;
}

/** Streams with periods, each reading on where it is, with phases spread at random. */
export class PeriodicStreams implements Load {
  readonly #streams: Stream[];
  readonly #sectors: number;
  readonly #random: Random;
  readonly #numbers: Numbers;
  #soonest: Stream | null;

  constructor(streams: readonly StreamParameters[], sectors: number, random: Random, numbers: Numbers) {
    this.#sectors = sectors;
    this.#random = random;
    this.#numbers = numbers;
    this.#streams = streams.map((stream, owner) => ({
      ...stream,
      owner,
      at: random.below(sectors - stream.sectors),
      due: random.between(0, stream.period),
    }));
    this.#soonest = null;
    this.#choose();
  }

  get next(): number {
    return this.#soonest?.due ?? Number.POSITIVE_INFINITY;
  }

  take(): BlockRequest {
    const stream = this.#soonest!;
    const arrival = stream.due;
    stream.due += stream.period;
    const sectors = stream.isVariable === true ? this.#variable(stream.sectors) : stream.sectors;
    if (stream.at + sectors > this.#sectors) stream.at = 0;
    const sector = stream.at;
    stream.at += sectors;
    this.#choose();
    return {
      id: this.#numbers.next(),
      sector,
      sectors,
      write: false,
      arrival,
      owner: stream.owner,
      class: "critical",
      deadline: arrival + stream.period,
    };
  }

  completed(): void {}

  /** A size with that mean, log-normal up to the largest. */
  #variable(mean: number): number {
    const variance = Math.log(1 + DEVIATION ** 2);
    const normal =
      Math.sqrt(-2 * Math.log(1 - this.#random.between(0, 1))) * Math.cos(2 * Math.PI * this.#random.between(0, 1));
    const factor = Math.exp(Math.sqrt(variance) * normal - variance / 2);
    return Math.max(1, Math.round(mean * Math.min(LARGEST, factor)));
  }

  #choose(): void {
    let soonest: Stream | null = null;
    for (const stream of this.#streams) if (soonest === null || stream.due < soonest.due) soonest = stream;
    this.#soonest = soonest;
  }
}
