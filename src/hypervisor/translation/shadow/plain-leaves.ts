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
 * the same way. It is the inner loop of a fill: everything it needs of the pool is at hand, and written out.
 */
export class PlainLeaves {
  readonly #pool: ShadowPool;
  readonly #walk: GuestWalk;
  readonly #words: Int32Array;
  readonly #map: Int32Array;

  constructor(pool: ShadowPool, walk: GuestWalk, frames: GuestFrames) {
    this.#pool = pool;
    this.#walk = walk;
    this.#words = frames.words;
    this.#map = frames.map;
  }

  /** Whether the guest's entry behind one of level 1 is present and was accessed before; of most faults' it is not. */
  isTouched(page: number, index: number): boolean {
    return (this.#words[this.#pool.tableWord[page]! + index * 2]! & TOUCHED) === TOUCHED;
  }

  /**
   * Fills entries of a shadow page of level 1 that has a guest table, those that are empty and plain: present, accessed, no
   * reserved bit, the frame mapped. Without the dirty flag they allow no write: the first one has to come by (rule 10).
   * @param most how many at most
   * @param needed of the first one, the bit of the allowed accesses that it has to allow, and then nothing is filled where it is
   *   not plain or does not; 0 where it is a neighbour like the others
   * @returns how many
   */
  fill(page: number, from: number, to: number, most: number, needed: number): number {
    const pool = this.#pool;
    const words = this.#words;
    const map = this.#map;
    const { entries, occupied, groups, mappers, marks } = pool;
    const now = pool.now | 0;
    const role = pool.role[page]!;
    const table = pool.tableWord[page]!;
    const badHigh = this.#walk.badHigh(role) | ADDRESS_HIGH;
    let filled = 0;
    let asked = needed;
    // Neighbours mostly say the same: what follows from an entry's flags and the map's rights is looked up when they change.
    let flags = -1;
    let lastHigh = 0;
    let rights = 0;
    let permitted = 0;
    let state = 0;
    // Of 32 entries, which are filled: put down together.
    let group = -1;
    let bits = 0;
    for (let index = from | 0; index < to && filled < most; index = (index + 1) | 0) {
      const entry = page * FULL + index;
      const at = entry * STRIDE;
      const low = words[table + index * 2]!;
      const high = words[table + index * 2 + 1]!;
      const frame = low >>> 12;
      const mapped = map[frame]!;
      if (entries[at] !== 0 || (low & TOUCHED) !== TOUCHED || (high & badHigh) !== 0 || mapped === 0) {
        if (asked !== 0) return 0;
        continue;
      }
      if ((low & 0xfff) !== flags || high !== lastHigh || (mapped & RIGHTS) !== rights) {
        flags = low & 0xfff;
        lastHigh = high;
        rights = mapped & RIGHTS;
        const pageRole = narrowed(role, low, high);
        permitted = allowedAccesses(pageRole) & BY_MAP[rights]! & ((low & DIRTY) === 0 ? ~WRITES : -1);
        state = pageState(low, pageRole);
      }
      if (asked !== 0) {
        if ((permitted & asked) === 0) return 0;
        asked = 0;
      }
      const next = mappers[frame]!;
      entries[at] = (mapped & FRAME) | permitted;
      entries[at + AT_STATE] = state | ((marks[frame]! & TABLE_MARK) !== 0 ? TO_TABLE : 0);
      entries[at + AT_LOW] = low;
      entries[at + AT_HIGH] = high;
      entries[at + AT_NEXT] = next;
      entries[at + AT_PREVIOUS] = NOTHING;
      entries[at + AT_FILLED] = now;
      if (next !== NOTHING) entries[next * STRIDE + AT_PREVIOUS] = entry;
      mappers[frame] = entry;
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
}
