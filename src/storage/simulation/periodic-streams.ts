import type { Random } from "../../binary/index.ts";
import type { BlockRequest } from "../request.ts";
import type { Load, Numbers } from "./load.ts";

export interface StreamParameters {
  /** Milliseconds; what is asked for at its beginning is due at its end. */
  readonly period: number;
  readonly sectors: number;
}

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
  readonly #numbers: Numbers;
  #soonest: Stream | null;

  constructor(streams: readonly StreamParameters[], sectors: number, random: Random, numbers: Numbers) {
    this.#sectors = sectors;
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
    if (stream.at + stream.sectors > this.#sectors) stream.at = 0;
    const sector = stream.at;
    stream.at += stream.sectors;
    this.#choose();
    return {
      id: this.#numbers.next(),
      sector,
      sectors: stream.sectors,
      write: false,
      arrival,
      owner: stream.owner,
      class: "critical",
      deadline: arrival + stream.period,
    };
  }

  completed(): void {}

  #choose(): void {
    let soonest: Stream | null = null;
    for (const stream of this.#streams) if (soonest === null || stream.due < soonest.due) soonest = stream;
    this.#soonest = soonest;
  }
}
