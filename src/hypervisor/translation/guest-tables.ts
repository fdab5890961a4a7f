import type { TableMemory } from "../../paging/index.ts";
import { type GuestFrames, MAP_BYTES, MAP_FRAME, MAP_READ, MAP_WRITE } from "../frame-map.ts";

/**
 * A guest's page tables as the page walker reads them: through the partition's map. Where the map gives nothing the walker
 * meets an entry that is not present, and `refusedAt` tells that it was the map.
 */
export class GuestTables implements TableMemory {
  /** Guest physical address of the first table entry that the map refused since this was set to -1. */
  refusedAt = -1;

  readonly #words: Int32Array;
  readonly #map: Int32Array;

  constructor(frames: GuestFrames) {
    this.#words = frames.words;
    this.#map = frames.map;
  }

  readWord(address: number): number {
    const mapped = address < MAP_BYTES ? this.#map[address >>> 12]! : 0;
    if ((mapped & MAP_READ) !== 0) return this.#words[((mapped & MAP_FRAME) | (address & 0xfff)) >>> 2]!;
    this.#refuse(address);
    return 0;
  }

  writeWord(address: number, value: number): void {
    const mapped = this.#map[address >>> 12]!;
    if ((mapped & MAP_WRITE) !== 0) this.#words[((mapped & MAP_FRAME) | (address & 0xfff)) >>> 2] = value;
    else this.#refuse(address);
  }

  #refuse(address: number): void {
    if (this.refusedAt < 0) this.refusedAt = address;
  }
}
