import { ENTRY_LARGE } from "../../paging/index.ts";
import { type GuestFrames, MAP_FRAME } from "../frame-map.ts";
import { ACCESSES, type FlatWalk, RULE_WORDS } from "./flat-walk.ts";

// As in flat-walk.ts: constants of this file alone, for speed.
const FRAME = MAP_FRAME;
const KIND = ACCESSES - 1;
const STRIDE = RULE_WORDS;
const REGION_SHIFT = 21;
const REGIONS = 1 << (32 - REGION_SHIFT);
const UNKNOWN = -1;

// Of the run that is being translated, and there is never more than one: by bits 31:21 of an address, where its page table
// lies (index of a host word), or UNKNOWN.
const tables = new Int32Array(REGIONS).fill(UNKNOWN);

/**
 * A run of common walks. While a run is translated no guest executes, so the way to a page table need not be gone twice: of
 * each 2 MiB where a walk has been permitted, this knows the table until the run ends: all of a run's accesses are of one
 * kind. The leaf is read and judged at every access. Only walks set flags meanwhile, and flags move no table.
 */
export class RunWalk {
  readonly #flat: FlatWalk;
  readonly #leaves: Leaves;
  readonly #map: Int32Array;
  readonly #known: number[] = [];

  constructor(flat: FlatWalk, frames: GuestFrames) {
    this.#flat = flat;
    this.#leaves = leavesIn(frames.words);
    this.#map = frames.map;
  }

  /** Ends a run: nothing is known any more. */
  end(): void {
    for (const region of this.#known) tables[region] = UNKNOWN;
    this.#known.length = 0;
  }

  /** Translates from `begin` on what lies in known tables and is common. @returns the first that is not; else `count` */
  walk(lows: Int32Array, from: number, begin: number, count: number, access: number, addresses: Int32Array): number {
    const rules = this.#flat.rules;
    const rule = (access & KIND) * STRIDE;
    return this.#leaves(
      this.#map,
      lows,
      from,
      begin,
      count,
      addresses,
      rules[rule]!,
      rules[rule + 1]!,
      rules[rule + 2]!,
      rules[rule + 3]!,
    );
  }

  /** Remembers the table where the common walk of `flat` has just been, by which this run's accesses are permitted so far. */
  remember(low: number): void {
    const { leaf, table } = this.#flat;
    if ((leaf & ENTRY_LARGE) !== 0) return;
    const region = low >>> REGION_SHIFT;
    tables[region] = table;
    this.#known.push(region);
  }
}

type Leaves = (
  map: Int32Array,
  lows: Int32Array,
  from: number,
  begin: number,
  count: number,
  addresses: Int32Array,
  mask: number,
  must: number,
  barred: number,
  right: number,
) => number;

const loops = new WeakMap<Int32Array, Leaves>();

/**
 * The inner loop, for all guests in one host memory. V8 folds what a closure holds into its code as long as no second one of
 * its kind has been made: with three arrays in registers in place of four, the first host of a process translates a run a sixth faster.
 */
function leavesIn(words: Int32Array): Leaves {
  const known = loops.get(words);
  if (known !== undefined) return known;
  // Parameters, because V8 keeps them in registers, and fields not.
  const leaves: Leaves = (map, lows, from, begin, count, addresses, mask, must, barred, right) => {
    const first = from | 0;
    const end = count | 0;
    let index = begin | 0;
    for (; index < end; index = (index + 1) | 0) {
      const low = lows[(first + index) | 0]!;
      const table = tables[low >>> REGION_SHIFT]!;
      if (table < 0) return index;
      const at = (table + ((low >>> 11) & 0x3fe)) | 0;
      const entry = words[at]!;
      const mapped = map[entry >>> 12]!;
      if ((((entry & mask) ^ must) | (words[(at + 1) | 0]! & barred)) !== 0 || (mapped & right) === 0) return index;
      addresses[index] = (mapped & FRAME) | (low & 0xfff);
    }
    return index;
  };
  loops.set(words, leaves);
  return leaves;
}
