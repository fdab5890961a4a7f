import type { GuestFrames } from "../../frame-map.ts";
import type { AddressSpace } from "./address-spaces.ts";
import type { ShadowCounters } from "./counters.ts";
import { CHILD_SHIFT, ENTRIES, GUEST_FLAGS, GUEST_HIGH, GUEST_LOW, LINK, STATE, WORDS } from "./entry.ts";
import { isCanonical } from "./guest-walk.ts";
import { GROUPS, NONE, type ShadowPool } from "./pool.ts";
import { ROLE_DIRECT } from "./role.ts";

// Constants of this file alone, which V8 folds; an imported one it loads and checks at every use.
const NOWHERE = NONE;
const FULL = ENTRIES;
const STRIDE = WORDS;
const AT_STATE = STATE;
const AT_LOW = GUEST_LOW;
const AT_HIGH = GUEST_HIGH;
const FLAGS = GUEST_FLAGS;
const IS_LINK = LINK;
const TO_CHILD = CHILD_SHIFT;
const DIRECT = ROLE_DIRECT;
const INDEX = 511;
const GROUPS_OF_PAGE = GROUPS;

/** Ways that are remembered, by 2 MiB of linear addresses; words of one: topmost page, address, changes of links, page. */
const WAYS = 64;
const WAY_WORDS = 5;
const AT_ROOT = 0;
const AT_HIGH_HALF = 1;
const AT_REGION = 2;
const AT_CHANGES = 3;
const AT_PAGE = 4;

/**
 * The ways through shadow pages, from the topmost to a leaf. What lies on a way is used as a processor uses what it has
 * cached; a flush makes it doubtful, and then each page is compared with its guest table before it is used again.
 */
export class Ways {
  /** The shadow page of level 1, made of a guest table, where the last `lookup` found only the leaf missing; or NONE. */
  reached = NONE;

  readonly #pool: ShadowPool;
  readonly #words: Int32Array;
  /** The last ways to pages of level 1, and since which flush all pages above have been compared. */
  readonly #last = new Int32Array(WAYS * WAY_WORDS).fill(NONE);
  readonly #comparedSince = new Float64Array(WAYS);

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
    const way = wayOf(high, low);
    const last = this.#last;
    const at = way * WAY_WORDS;
    const known =
      last[at + AT_ROOT] === root &&
      last[at + AT_HIGH_HALF] === high &&
      last[at + AT_REGION] === low >>> 21 &&
      last[at + AT_CHANGES] === this.#pool.linkChanges &&
      this.#comparedSince[way]! >= space.waysFlushedAt;
    if (known) return this.#leaf(space, last[at + AT_PAGE]!, low, counters);
    return this.#walk(space, root, high, low, counters);
  }

  #walk(space: AddressSpace, root: number, high: number, low: number, counters: ShadowCounters): number {
    const { entries, validatedAt, level: levels } = this.#pool;
    if (root < 0 || !isCanonical(levels[root]!, high)) return NOWHERE;
    const { waysFlushedAt } = space;
    let compared = Number.POSITIVE_INFINITY;
    let page = root;
    let level = levels[root]!;
    let index = (level === 5 ? high >>> 16 : high >>> 7) & INDEX;
    for (; level > 1; level--) {
      if (validatedAt[page]! < waysFlushedAt) this.validate(page, counters);
      if (validatedAt[page]! < compared) compared = validatedAt[page]!;
      const at = (page * FULL + index) * STRIDE;
      const state = entries[at + AT_STATE]!;
      if ((state & IS_LINK) === 0) return entries[at] === 0 ? NOWHERE : page * FULL + index;
      page = state >>> TO_CHILD;
      index = (level === 3 ? low >>> 21 : level === 4 ? (low >>> 30) | (high << 2) : high >>> 7) & INDEX;
    }
    this.#remember(root, high, low, page, compared);
    return this.#leaf(space, page, low, counters);
  }

  #remember(root: number, high: number, low: number, page: number, compared: number): void {
    const way = wayOf(high, low);
    const last = this.#last;
    const at = way * WAY_WORDS;
    last[at + AT_ROOT] = root;
    last[at + AT_HIGH_HALF] = high;
    last[at + AT_REGION] = low >>> 21;
    last[at + AT_CHANGES] = this.#pool.linkChanges;
    last[at + AT_PAGE] = page;
    this.#comparedSince[way] = compared;
  }

  /** The last step: from a page of level 1. */
  #leaf(space: AddressSpace, page: number, low: number, counters: ShadowCounters): number {
    const { entries, validatedAt, role } = this.#pool;
    if (validatedAt[page]! < space.flushedAt) this.validate(page, counters);
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
    const { entries, occupied, groups } = pool;
    const first = pool.tableWord[page]!;
    // Pieces are all made of one guest entry.
    const others = (pool.role[page]! & DIRECT) !== 0 ? 0 : INDEX;
    for (let some = groups[page]!; some !== 0; some &= some - 1) {
      const group = page * GROUPS_OF_PAGE + 31 - Math.clz32(some & -some);
      if (occupied[group] === 0) groups[page]! &= ~(some & -some);
      for (let left = occupied[group]!; left !== 0; left &= left - 1) {
        const entry = group * 32 + 31 - Math.clz32(left & -left);
        const at = entry * STRIDE;
        const word = first + (entry & others) * 2;
        if (words[word + 1] !== entries[at + AT_HIGH] || !stillExplains(words[word]!, entries[at + AT_LOW]!))
          pool.drop(entry);
        else entries[at + AT_LOW] = words[word]!;
      }
    }
    pool.validatedAt[page] = this.now;
    pool.exhausted[page] = 0;
    counters.pageTableValidations++;
  }
}

/** Whether a guest entry is what a shadow entry was made of; flags may have come on, but none gone. */
function stillExplains(now: number, then: number): boolean {
  return ((now ^ then) & ~FLAGS) === 0 && (then & FLAGS & ~now) === 0;
}

function wayOf(high: number, low: number): number {
  return ((low >>> 21) ^ (high << 3)) & (WAYS - 1);
}
