import type { GuestFrames } from "../../frame-map.ts";
import type { AddressSpace } from "./address-spaces.ts";
import type { ShadowCounters } from "./counters.ts";
import { CHILD_SHIFT, ENTRIES, GUEST_FLAGS, GUEST_HIGH, GUEST_LOW, LINK, STATE, WORDS } from "./entry.ts";
import { isCanonical } from "./guest-walk.ts";
import { NONE, type ShadowPool } from "./pool.ts";
import { ROLE_DIRECT } from "./role.ts";

// Constants of this file alone, which V8 folds; an imported one it loads and checks at every use.
const NOWHERE = NONE;
const FULL = ENTRIES;
const STRIDE = WORDS;
const AT_STATE = STATE;
const IS_LINK = LINK;
const TO_CHILD = CHILD_SHIFT;
const DIRECT = ROLE_DIRECT;
const INDEX = 511;

/**
 * The ways through shadow pages, from the topmost to a leaf. What lies on a way is used as a processor uses what it has
 * cached; a flush makes it doubtful, and then each page is compared with its guest table before it is used again.
 */
export class Ways {
  /** The shadow page of level 1, made of a guest table, where the last `lookup` found only the leaf missing; or NONE. */
  reached = NONE;

  readonly #pool: ShadowPool;
  readonly #words: Int32Array;

  constructor(pool: ShadowPool, frames: GuestFrames) {
    this.#pool = pool;
    this.#words = frames.words;
  }

  /** Serial number of the last flush or write to a guest table. */
  get now(): number {
    return this.#pool.now;
  }

  /**
   * The leaf that maps an address in tables that begin at `root` (-1: there are none), or -1. Pages on the way that have not
   * been compared with their guest table since the space's last flush are, first.
   */
  lookup(space: AddressSpace, root: number, high: number, low: number, counters: ShadowCounters): number {
    this.reached = NOWHERE;
    const { entries, validatedAt, level: levels, role } = this.#pool;
    if (root < 0 || !isCanonical(levels[root]!, high)) return NOWHERE;
    const { waysFlushedAt, flushedAt } = space;
    let page = root;
    let level = levels[root]!;
    let index = (level === 5 ? high >>> 16 : high >>> 7) & INDEX;
    for (; level > 1; level--) {
      if (validatedAt[page]! < waysFlushedAt) this.validate(page, counters);
      const at = (page * FULL + index) * STRIDE;
      const state = entries[at + AT_STATE]!;
      if ((state & IS_LINK) === 0) return entries[at] === 0 ? NOWHERE : page * FULL + index;
      page = state >>> TO_CHILD;
      index = (level === 3 ? low >>> 21 : level === 4 ? (low >>> 30) | (high << 2) : high >>> 7) & INDEX;
    }
    if (validatedAt[page]! < flushedAt) this.validate(page, counters);
    const entry = page * FULL + ((low >>> 12) & INDEX);
    if (entries[entry * STRIDE] !== 0) return entry;
    if ((role[page]! & DIRECT) === 0) this.reached = page;
    return NOWHERE;
  }

  /** Sees to it that a page has been compared since the space's last flush. */
  validateFor(space: AddressSpace, page: number, counters: ShadowCounters): void {
    const since = this.#pool.level[page] === 1 ? space.flushedAt : space.waysFlushedAt;
    if (this.#pool.validatedAt[page]! < since) this.validate(page, counters);
  }

  /** Compares a shadow page with its guest table: what the guest has changed goes. */
  validate(page: number, counters: ShadowCounters): void {
    const pool = this.#pool;
    const words = this.#words;
    const { entries, occupied } = pool;
    const direct = (pool.role[page]! & ROLE_DIRECT) !== 0;
    const first = pool.tableWord[page]!;
    const groups = ENTRIES / 32;
    for (let group = page * groups; group < (page + 1) * groups; group++)
      for (let left = occupied[group]!; left !== 0; left &= left - 1) {
        const entry = group * 32 + 31 - Math.clz32(left & -left);
        const at = entry * WORDS;
        const word = direct ? first : first + (entry & (ENTRIES - 1)) * 2;
        if (words[word + 1] !== entries[at + GUEST_HIGH] || !stillExplains(words[word]!, entries[at + GUEST_LOW]!))
          pool.drop(entry);
        else entries[at + GUEST_LOW] = words[word]!;
      }
    pool.validatedAt[page] = this.now;
    counters.pageTableValidations++;
  }
}

/** Whether a guest entry is what a shadow entry was made of; flags may have come on, but none gone. */
function stillExplains(now: number, then: number): boolean {
  return ((now ^ then) & ~GUEST_FLAGS) === 0 && (then & GUEST_FLAGS & ~now) === 0;
}
