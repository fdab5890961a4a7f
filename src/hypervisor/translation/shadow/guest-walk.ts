import {
  CR4_LA57,
  ENTRY_LARGE,
  ENTRY_NO_EXECUTE_HIGH,
  ENTRY_PRESENT,
  type PagingState,
  tableIndex,
} from "../../../paging/index.ts";
import { type GuestFrames, MAP_BYTES, MAP_FRAME, MAP_READ, MAP_WRITE } from "../../frame-map.ts";
import { narrowed, ROLE_NXE, rootRole } from "./role.ts";

const ADDRESS_HIGH = 0xf_ffff;
/** By level: address bits of a leaf that are reserved, and address bits that the linear address has instead. */
const RESERVED_LOW = [0, 0, 0x001f_e000, 0x3fff_e000];
const WITHIN = [0, 0, 0x001f_ffff, 0x3fff_ffff];
const LEVELS = 6;
/** Where flags cannot be set, no shadow entry is made: lazily set, they would be lost. */
const FLAGGABLE = MAP_READ | MAP_WRITE;

// Constants of this file alone, which V8 folds; an imported one it loads and checks at every use.
const FRAME = MAP_FRAME;
const MAPPED_BYTES = MAP_BYTES;
const PRESENT = ENTRY_PRESENT;
const IS_LARGE = ENTRY_LARGE;

/**
 * Reads the guest's entries on the way to an address, from the topmost table to the leaf, and keeps them: shadow entries are
 * made from what was read, not from what stands there later. Changes nothing.
 */
export class GuestWalk {
  /** By level: the table's address in units of 8 bytes, the entry's halves, and the role of the table. */
  readonly table = new Int32Array(LEVELS);
  readonly low = new Int32Array(LEVELS);
  readonly high = new Int32Array(LEVELS);
  readonly role = new Int32Array(LEVELS);
  /** 4 or 5. */
  levels = 4;
  leafLevel = 1;
  /** The role narrowed by the leaf too: the page's rights. */
  pageRole = 0;
  /** Guest frame (of 4 KiB) that the address lies in. */
  guestFrame = 0;

  readonly #frames: GuestFrames;
  readonly #reservedHigh: number;

  constructor(frames: GuestFrames, maxPhysicalAddressBits: number) {
    this.#frames = frames;
    this.#reservedHigh = ADDRESS_HIGH & ~(2 ** (maxPhysicalAddressBits - 32) - 1);
  }

  /** Bits of the upper half that are reserved in tables of this role. */
  badHigh(role: number): number {
    return (role & ROLE_NXE) !== 0 ? this.#reservedHigh : this.#reservedHigh | ENTRY_NO_EXECUTE_HIGH;
  }

  /**
   * Walks to a canonical address.
   * @returns whether there is a page below 4 GiB, with no reserved bit on the way, and all tables lie where flags can be set;
   *   whether the access may be is not asked
   */
  walk(state: Readonly<PagingState>, high: number, low: number): boolean {
    const { words, map } = this.#frames;
    let role = rootRole(state);
    const badHigh = this.badHigh(role);
    let table = state.cr3 - (state.cr3 & 0xfff);
    this.levels = levelsOf(state);
    for (let level = this.levels; ; level--) {
      const index = tableIndex(level, high, low);
      const mapped = table < MAPPED_BYTES ? map[table >>> 12]! : 0;
      if ((mapped & FLAGGABLE) !== FLAGGABLE) return false;
      const word = ((mapped & FRAME) >>> 2) + index * 2;
      const entryLow = words[word]!;
      const entryHigh = words[word + 1]!;
      if ((entryLow & PRESENT) === 0 || (entryHigh & badHigh) !== 0) return false;
      this.table[level] = table / 8;
      this.low[level] = entryLow;
      this.high[level] = entryHigh;
      this.role[level] = role;
      role = narrowed(role, entryLow, entryHigh);
      table = (entryHigh & ADDRESS_HIGH) * 2 ** 32 + ((entryLow & FRAME) >>> 0);
      if (level > 1 && (entryLow & IS_LARGE) === 0) continue;
      if (level >= 4 || (entryLow & RESERVED_LOW[level]!) !== 0 || table >= MAPPED_BYTES) return false;
      this.leafLevel = level;
      this.pageRole = role;
      const within = WITHIN[level]!;
      this.guestFrame = ((table & ~within) | (low & within)) >>> 12;
      return true;
    }
  }
}

export function levelsOf(state: Readonly<PagingState>): number {
  return (state.cr4 & CR4_LA57) !== 0 ? 5 : 4;
}

export function isCanonical(levels: number, high: number): boolean {
  const sign = (high | 0) >> (levels === 5 ? 24 : 15);
  return sign === 0 || sign === -1;
}
