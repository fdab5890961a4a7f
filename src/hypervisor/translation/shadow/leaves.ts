import { ENTRY_ACCESSED, ENTRY_DIRTY } from "../../../paging/index.ts";
import { type GuestFrames, HOLE, MAP_FRAME } from "../../frame-map.ts";
import type { ShadowCounters } from "./counters.ts";
import { ENTRIES, GUEST_FLAGS, GUEST_HIGH, GUEST_LOW, PENDING_ACCESSED, PENDING_DIRTY, WORDS } from "./entry.ts";
import type { GuestWalk } from "./guest-walk.ts";
import type { LazyFlags } from "./lazy-flags.ts";
import { PlainLeaves } from "./plain-leaves.ts";
import { NONE, type ShadowPool } from "./pool.ts";
import { allowedAccesses, mapAllows, pageState, ROLE_DIRECT, WRITES } from "./role.ts";

/** Puts leaves in: the one that is touched, and ahead of their time those neighbours that the guest cannot miss. */
export class Leaves {
  readonly #pool: ShadowPool;
  readonly #lazy: LazyFlags;
  readonly #walk: GuestWalk;
  readonly #frames: GuestFrames;
  readonly #plain: PlainLeaves;
  readonly #batch: number;

  /** @param batch leaves that one miss fills at most, 1 to 512 */
  constructor(pool: ShadowPool, lazy: LazyFlags, walk: GuestWalk, frames: GuestFrames, batch: number) {
    this.#pool = pool;
    this.#lazy = lazy;
    this.#walk = walk;
    this.#frames = frames;
    this.#plain = new PlainLeaves(pool, walk, frames);
    this.#batch = batch;
  }

  /** A leaf of 4 KiB for the access that the walk has come to, and its neighbours. @returns the leaf */
  fillSmall(
    page: number,
    index: number,
    guestFrame: number,
    allowed: number,
    write: boolean,
    counters: ShadowCounters,
  ): number {
    const entry = page * ENTRIES + index;
    this.place(entry, guestFrame, this.#frames.map[guestFrame]!, allowed, write);
    counters.smallPageTlbFills++;
    const most = this.#mostAhead(page);
    if (most > 0) this.#fillAhead(page, index, this.#fillRange(page, index + 1, ENTRIES, most), most, counters);
    return entry;
  }

  /**
   * The leaf of an entry that is empty, where it needs no walk and allows the access, and its neighbours.
   * @param needed bit of the allowed accesses that the access needs
   * @returns the leaf; -1, with nothing filled, where it is not so plain
   */
  fillPlain(page: number, index: number, needed: number, counters: ShadowCounters): number {
    if (!this.#plain.fillFor(page, index, needed)) return NONE;
    counters.smallPageTlbFills++;
    const most = this.#mostAhead(page);
    if (most > 0) this.#fillAhead(page, index, this.#plain.fill(page, index + 1, ENTRIES, most), most, counters);
    return page * ENTRIES + index;
  }

  /** Neighbours that may be filled. A table where all was found is not looked through before something in it changes. */
  #mostAhead(page: number): number {
    return this.#pool.exhausted[page] === 1 ? 0 : this.#batch - 1;
  }

  /**
   * Fills neighbours: after those upwards to the end of the table, downwards, until there are as many as may be. A guest's
   * pages lie scattered in a table, and those that are not there cost one look each. Only what a processor could
   * have cached without the guest's noticing: accessed before, and not writable before it is dirty (1.4/10 to 14).
   * @param upwards how many were filled above the index
   */
  #fillAhead(page: number, index: number, upwards: number, most: number, counters: ShadowCounters): void {
    const near = Math.max(0, index - most);
    let filled = upwards;
    if (filled < most) filled += this.#fillRange(page, near, index, most - filled);
    if (filled < most) filled += this.#fillRange(page, 0, near, most - filled);
    if (filled < most) this.#pool.exhausted[page] = 1;
    counters.smallPageTlbFills += filled;
    counters.populatedAhead += filled;
  }

  #fillRange(page: number, from: number, to: number, most: number): number {
    const isDirect = (this.#pool.role[page]! & ROLE_DIRECT) !== 0;
    return isDirect ? this.#fillPieces(page, from, to, most) : this.#plain.fill(page, from, to, most);
  }

  #fillPieces(page: number, from: number, to: number, most: number): number {
    const pool = this.#pool;
    const walk = this.#walk;
    const { map } = this.#frames;
    const low = walk.low[walk.leafLevel]!;
    const high = walk.high[walk.leafLevel]!;
    if ((low & ENTRY_ACCESSED) === 0) return 0;
    const allowed = allowedAccesses(walk.pageRole) & ((low & ENTRY_DIRTY) === 0 ? ~WRITES : -1);
    const state = pageState(low, walk.pageRole);
    const base = pool.base[page]!;
    let filled = 0;
    for (let index = from; index < to && filled < most; index++) {
      const entry = page * ENTRIES + index;
      const mapEntry = map[base + index]!;
      if (pool.entries[entry * WORDS] !== 0 || mapEntry === HOLE) continue;
      const translation = (mapEntry & MAP_FRAME) | (allowed & mapAllows(mapEntry));
      pool.setLeaf(entry, base + index, translation, state, low, high);
      filled++;
    }
    return filled;
  }

  /**
   * A leaf that is being touched, by the entry the walk has read. Without the dirty flag it allows no write unless this is
   * one: the first write has to come by (rule 10).
   */
  place(entry: number, guestFrame: number, mapEntry: number, allowed: number, write: boolean): void {
    const pool = this.#pool;
    const walk = this.#walk;
    const low = walk.low[walk.leafLevel]!;
    const high = walk.high[walk.leafLevel]!;
    // The same leaf may be filled again by another way to its table: what is pending in it still is.
    const pending = standsFor(pool, entry, low, high) ? this.#lazy.take(entry) : 0;
    pool.drop(entry);
    let bits = allowed & mapAllows(mapEntry);
    if ((low & ENTRY_DIRTY) === 0 && !write && (pending & PENDING_DIRTY) === 0) bits &= ~WRITES;
    pool.setLeaf(entry, guestFrame, (mapEntry & MAP_FRAME) | bits, pageState(low, walk.pageRole), low, high);
    const flags =
      pending |
      ((low & ENTRY_ACCESSED) === 0 ? PENDING_ACCESSED : 0) |
      (write && (low & ENTRY_DIRTY) === 0 ? PENDING_DIRTY : 0);
    if (flags !== 0) this.#lazy.set(entry, flags);
  }
}

/** Whether an entry was made of this guest entry, flags apart. */
export function standsFor(pool: ShadowPool, entry: number, low: number, high: number): boolean {
  const { entries } = pool;
  const at = entry * WORDS;
  return ((entries[at + GUEST_LOW]! ^ low) & ~GUEST_FLAGS) === 0 && entries[at + GUEST_HIGH] === high;
}
