import { StopcodeError } from "../../../binary/index.ts";
import type { FlashArray } from "./flash-array.ts";
import type { QueuedDeviceParameters } from "./parameters.ts";

/**
 * What the device has at hand of its mapping. The rest lies on the flash, in pages that are read when an entry is missing: only the
 * entries that somebody waits for are kept of them. Nothing is given up: a run may touch as many pages as there is room for.
 */
export class MappingCache {
  /** Pages of the mapping that were read. */
  reads = 0;
  readonly #device: QueuedDeviceParameters;
  readonly #flash: FlashArray;
  readonly #known = new Set<number>();
  /** By the number of a page of the mapping that is on its way: the pages that were asked for, and who waits. */
  readonly #coming = new Map<number, { readonly pages: Set<number>; readonly waiting: (() => void)[] }>();

  constructor(device: QueuedDeviceParameters, flash: FlashArray) {
    this.#device = device;
    this.#flash = flash;
  }

  /** Calls back when the entry of a page is at hand: at once, where it is. Throws `storage/mapping-full`. */
  whenKnown(page: number, then: () => void): void {
    if (this.#known.has(page)) {
      then();
      return;
    }
    const number = Math.floor(page / this.#device.mappingPageEntries);
    const coming = this.#coming.get(number) ?? this.#fetch(number);
    coming.pages.add(page);
    coming.waiting.push(then);
  }

  #fetch(number: number) {
    const coming = { pages: new Set<number>(), waiting: [] };
    this.#coming.set(number, coming);
    this.reads++;
    const place = this.#flash.placeOf(number);
    this.#flash.add({ kind: "mapping", place, page: number, sectors: 1, done: () => this.#came(number) });
    return coming;
  }

  #came(number: number): void {
    const { pages, waiting } = this.#coming.get(number)!;
    this.#coming.delete(number);
    for (const page of pages) this.#known.add(page);
    if (this.#known.size > this.#device.mappingCacheEntries)
      throw new StopcodeError(
        "storage/mapping-full",
        `more than ${this.#device.mappingCacheEntries} pages are touched`,
        {
          hint: "replay a shorter part of the trace: what falls out of the mapping's cache is not modelled",
        },
      );
    for (const then of waiting) then();
    this.#flash.schedule();
  }
}
