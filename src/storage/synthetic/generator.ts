import { draw, drawTime } from "./distribution.ts";
import type { Rand48 } from "./rand48.ts";
import type { GeneratorParameters } from "./workload.ts";

/** What a process waits for after it has asked: the answer, a while at most and then the answer, or nothing. */
export type Urgency = "critical" | "limited" | "none";

/** What a process asks for next. */
export interface SyntheticRequest {
  /** Milliseconds that it computes before. */
  readonly pause: number;
  readonly device: string;
  readonly sector: number;
  readonly sectors: number;
  readonly write: boolean;
  readonly urgency: Urgency;
}

/** The requests of one process: random numbers are drawn in the order in which DiskSim draws them, so that they are the same. */
export class RequestGenerator {
  readonly #parameters: GeneratorParameters;
  readonly #random: Rand48;
  /** Blocks of a device. */
  readonly #blocks: number;
  // The last request: its place in blocks.
  #device = "";
  #block = 0;
  #count = 0;
  #isRead = false;

  constructor(parameters: GeneratorParameters, random: Rand48) {
    this.#parameters = parameters;
    this.#random = random;
    this.#blocks = Math.floor(parameters.sectors / parameters.blockSectors);
  }

  /** The first request, which follows on none. */
  first(): SyntheticRequest {
    return this.#anywhere();
  }

  next(): SyntheticRequest {
    const { sequential, local } = this.#parameters;
    const kind = this.#random.next();
    if (kind < sequential && this.#block + 2 * this.#count < this.#blocks) return this.#following();
    if (kind >= sequential && kind < sequential + local) return this.#nearby();
    return this.#anywhere();
  }

  #following(): SyntheticRequest {
    const pause = drawTime(this.#parameters.sequentialPause, this.#random);
    this.#block += this.#count;
    return this.#request(pause);
  }

  #nearby(): SyntheticRequest {
    const { localPause, distance, blockSectors } = this.#parameters;
    const pause = drawTime(localPause, this.#random);
    let block: number;
    do {
      block = this.#block + Math.trunc(Math.trunc(draw(distance, this.#random)) / blockSectors);
      this.#count = this.#size();
    } while (block + this.#count >= this.#blocks || block < 0 || this.#count <= 0);
    this.#block = block;
    this.#isRead = this.#random.next() < this.#parameters.reads;
    return this.#request(pause);
  }

  #anywhere(): SyntheticRequest {
    const { devices, generalPause, reads } = this.#parameters;
    const pause = drawTime(generalPause, this.#random);
    this.#device = devices[Math.floor(this.#random.next() * devices.length)]!;
    do {
      this.#block = Math.floor(this.#random.next() * this.#blocks);
      this.#count = this.#size();
    } while (this.#block + this.#count >= this.#blocks || this.#count <= 0);
    this.#isRead = this.#random.next() < reads;
    return this.#request(pause);
  }

  /** In blocks; a size below one sector makes none. */
  #size(): number {
    const { size, blockSectors } = this.#parameters;
    return Math.trunc((Math.trunc(draw(size, this.#random)) + blockSectors - 1) / blockSectors);
  }

  #request(pause: number): SyntheticRequest {
    const { critical, limited, blockSectors } = this.#parameters;
    const urgency = this.#random.next() - critical;
    return {
      pause,
      device: this.#device,
      sector: this.#block * blockSectors,
      sectors: this.#count * blockSectors,
      write: !this.#isRead,
      urgency: urgency < 0 ? "critical" : urgency < limited ? "limited" : "none",
    };
  }
}
