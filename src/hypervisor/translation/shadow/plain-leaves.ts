import { ENTRY_ACCESSED, ENTRY_DIRTY, ENTRY_PRESENT } from "../../../paging/index.ts";
import { type GuestFrames, MAP_ALL, MAP_FRAME } from "../../frame-map.ts";
import { ENTRIES, FILLED_AT, GUEST_HIGH, GUEST_LOW, NEXT, PREVIOUS, STATE, TABLE, WORDS } from "./entry.ts";
import type { GuestWalk } from "./guest-walk.ts";
import { IS_TABLE, NONE, type ShadowPool } from "./pool.ts";
import { allowedAccesses, mapAllows, narrowed, pageState, WRITES } from "./role.ts";

// Constants of this file alone, which V8 folds.
const FRAME = MAP_FRAME;
const RIGHTS = MAP_ALL;
const DIRTY = ENTRY_DIRTY;
const TOUCHED = ENTRY_PRESENT | ENTRY_ACCESSED;
const TO_TABLE = TABLE;
const TABLE_MARK = IS_TABLE;
const NOTHING = NONE;
const FULL = ENTRIES;
const STRIDE = WORDS;
const AT_STATE = STATE;
const AT_LOW = GUEST_LOW;
const AT_HIGH = GUEST_HIGH;
const AT_NEXT = NEXT;
const AT_PREVIOUS = PREVIOUS;
const AT_FILLED = FILLED_AT;

/** Bits of an upper half that lie beyond the memory of any host. */
const ADDRESS_HIGH = 0xf_ffff;
/** Accesses that an entry of the partition's map lets through, by its rights. */
const BY_MAP = Int32Array.from({ length: MAP_ALL + 1 }, (_, rights) => mapAllows(rights));

/**
 * Leaves of 4 KiB that can be had without a walk, and without a flag to set: the shadow page stands, so the way to the guest's
 * table is known, and the guest's entry was accessed before. Whether the guest or a neighbour's fill asks for them, they are made
 * the same way. What follows from an entry's flags, the map's rights and the table's role is kept from leaf to leaf: it is
 * mostly the same again.
 */
export class PlainLeaves {
  readonly #pool: ShadowPool;
  readonly #walk: GuestWalk;
  readonly #words: Int32Array;
  readonly #map: Int32Array;
  #role = NOTHING;
  #flags = 0;
  #high = 0;
  #rights = 0;
  #permitted = 0;
  #state = 0;

  constructor(pool: ShadowPool, walk: GuestWalk, frames: GuestFrames) {
    this.#pool = pool;
    this.#walk = walk;
    this.#words = frames.words;
    this.#map = frames.map;
  }

  /**
   * Fills one entry, which is empty, of a shadow page of level 1 that has a guest table, for an access.
   * @param needed bit of the allowed accesses that the access needs
   * @returns whether it did: the guest's entry is plain, and allows the access
   */
  fillFor(page: number, index: number, needed: number): boolean {
    const pool = this.#pool;
    const word = pool.tableWord[page]! + index * 2;
    const low = this.#words[word]!;
    // Of most faults' entries it does not hold.
    if ((low & TOUCHED) !== TOUCHED) return false;
    const high = this.#words[word + 1]!;
    const role = pool.role[page]!;
    const mapped = this.#map[low >>> 12]!;
    if ((high & (this.#walk.badHigh(role) | ADDRESS_HIGH)) !== 0 || mapped === 0) return false;
    this.#judge(role, low, high, mapped);
    if ((this.#permitted & needed) === 0) return false;
    const entry = page * FULL + index;
    this.#put(entry, low, high, mapped, pool.now | 0);
    pool.occupied[entry >>> 5]! |= 1 << (entry & 31);
    pool.groups[page]! |= 1 << (index >>> 5);
    return true;
  }

  /**
   * Fills neighbours in such a page, those that are empty and plain: present, accessed, no reserved bit, the frame mapped.
   * @param most how many at most
   * @returns how many
   */
  fill(page: number, from: number, to: number, most: number): number {
    const pool = this.#pool;
    const words = this.#words;
    const map = this.#map;
    const { entries, occupied, groups } = pool;
    const now = pool.now | 0;
    const role = pool.role[page]!;
    const table = pool.tableWord[page]!;
    const badHigh = this.#walk.badHigh(role) | ADDRESS_HIGH;
    let filled = 0;
    // Of 32 entries, which are filled: put down together.
    let group = -1;
    let bits = 0;
    for (let index = from | 0; index < to && filled < most; index = (index + 1) | 0) {
      const entry = page * FULL + index;
      const low = words[table + index * 2]!;
      const high = words[table + index * 2 + 1]!;
      const mapped = map[low >>> 12]!;
      if (entries[entry * STRIDE] !== 0 || (low & TOUCHED) !== TOUCHED || (high & badHigh) !== 0 || mapped === 0)
        continue;
      this.#judge(role, low, high, mapped);
      this.#put(entry, low, high, mapped, now);
      if (entry >>> 5 !== group) {
        if (group >= 0) occupied[group]! |= bits;
        group = entry >>> 5;
        groups[page]! |= 1 << (index >>> 5);
        bits = 0;
      }
      bits |= 1 << (entry & 31);
      filled = (filled + 1) | 0;
    }
    if (group >= 0) occupied[group]! |= bits;
    return filled;
  }

  /** Sets a leaf that was judged. */
  #put(entry: number, low: number, high: number, mapped: number, now: number): void {
    const { entries, mappers, marks } = this.#pool;
    const at = entry * STRIDE;
    const frame = low >>> 12;
    const next = mappers[frame]!;
    entries[at] = (mapped & FRAME) | this.#permitted;
    entries[at + AT_STATE] = this.#state | ((marks[frame]! & TABLE_MARK) !== 0 ? TO_TABLE : 0);
    entries[at + AT_LOW] = low;
    entries[at + AT_HIGH] = high;
    entries[at + AT_NEXT] = next;
    entries[at + AT_PREVIOUS] = NOTHING;
    entries[at + AT_FILLED] = now;
    if (next !== NOTHING) entries[next * STRIDE + AT_PREVIOUS] = entry;
    mappers[frame] = entry;
  }

  /** What a leaf allows. Without the dirty flag that is no write: the first one has to come by (rule 10). */
  #judge(role: number, low: number, high: number, mapped: number): void {
    const flags = low & 0xfff;
    const rights = mapped & RIGHTS;
    if (flags === this.#flags && high === this.#high && rights === this.#rights && role === this.#role) return;
    this.#role = role;
    this.#flags = flags;
    this.#high = high;
    this.#rights = rights;
    const pageRole = narrowed(role, low, high);
    this.#permitted = allowedAccesses(pageRole) & BY_MAP[rights]! & ((low & DIRTY) === 0 ? ~WRITES : -1);
    this.#state = pageState(low, pageRole);
  }
}
