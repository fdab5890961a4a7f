import type { BlockDevice } from "../device.ts";
import type { BlockRequest, Completion } from "../request.ts";

/** A disk for which all places are equally far (`disksim_simpledisk`): what is measured on it is the load's own. */
export class SimpleDisk implements BlockDevice {
  readonly depth = 1;
  readonly sectors: number;
  readonly #access: number;
  #request: BlockRequest | null = null;
  #completesAt = Number.POSITIVE_INFINITY;

  /** @param access milliseconds of a request, whatever it is */
  constructor(sectors: number, access: number) {
    this.sectors = sectors;
    this.#access = access;
  }

  get pending(): number {
    return this.#request === null ? 0 : 1;
  }

  get next(): number {
    return this.#completesAt;
  }

  submit(request: BlockRequest, now: number): void {
    this.#request = request;
    this.#completesAt = now + this.#access;
  }

  complete(): Completion {
    const request = this.#request!;
    const at = this.#completesAt;
    this.#request = null;
    this.#completesAt = Number.POSITIVE_INFINITY;
    return { request, at, status: "done", transferred: request.sectors };
  }
}
