import { ENTRY_LARGE } from "../../paging/index.ts";
import { type GuestFrames, MAP_FRAME } from "../frame-map.ts";
import { ACCESSES, type FlatWalk, RULE_WORDS } from "./flat-walk.ts";

// As in flat-walk.ts: constants of this file alone, for speed.
const FRAME = MAP_FRAME;
const KIND = ACCESSES - 1;
const REGION_SHIFT = 21;
const REGION_WORDS = 2;

/**
 * A run of common walks. While a run is translated no guest executes, so the way to a page table need not be gone twice: of
 * each 2 MiB where a walk has been permitted, this knows the table until the run ends: all of a run's accesses are of one
 * kind. The leaf is read and judged at every access. Only walks set flags meanwhile, and flags move no table.
 */
export class RunWalk {
  readonly #flat: FlatWalk;
  readonly #words: Int32Array;
  readonly #map: Int32Array;
  /** By bits 31:21 of the address: the run that wrote it, and where the table lies. */
  readonly #regions = new Int32Array(REGION_WORDS << (32 - REGION_SHIFT));
  #run = 0;

  constructor(flat: FlatWalk, frames: GuestFrames) {
    this.#flat = flat;
    this.#words = frames.words;
    this.#map = frames.map;
  }

  /** Begins a run: of the last one nothing is known any more. */
  begin(): void {
    this.#run = (this.#run + 1) | 0;
    if (this.#run !== 0) return;
    this.#regions.fill(0);
    this.#run = 1;
  }

  /** Translates from `begin` on what lies in known tables and is common. @returns the first that is not; else `count` */
  walk(lows: Int32Array, from: number, begin: number, count: number, access: number, addresses: Int32Array): number {
    const words = this.#words;
    const map = this.#map;
    const regions = this.#regions;
    const run = this.#run;
    const { rules } = this.#flat;
    const rule = (access & KIND) * RULE_WORDS;
    const mask = rules[rule]!;
    const must = rules[rule + 1]!;
    const barred = rules[rule + 2]!;
    const right = rules[rule + 3]!;
    let number = -1;
    let table = 0;
    for (let index = begin | 0; index < count; index = (index + 1) | 0) {
      const low = lows[(from + index) | 0]!;
      if (low >>> REGION_SHIFT !== number) {
        number = low >>> REGION_SHIFT;
        const region = number * REGION_WORDS;
        if (regions[region] !== run) return index;
        table = regions[region + 1]!;
      }
      const at = table + ((low >>> 11) & 0x3fe);
      const entry = words[at]!;
      const mapped = map[entry >>> 12]!;
      if ((((entry & mask) ^ must) | (words[at + 1]! & barred)) !== 0 || (mapped & right) === 0) return index;
      addresses[index] = (mapped & FRAME) | (low & 0xfff);
    }
    return count;
  }

  /** Remembers the table where the common walk of `flat` has just been, by which this run's accesses are permitted so far. */
  remember(low: number): void {
    const { leaf, table } = this.#flat;
    if ((leaf & ENTRY_LARGE) !== 0) return;
    const region = (low >>> REGION_SHIFT) * REGION_WORDS;
    this.#regions[region] = this.#run;
    this.#regions[region + 1] = table;
  }
}
