import { ACCESS_WRITE, ENTRY_ACCESSED, ENTRY_DIRTY } from "../../../paging/index.ts";
import { type GuestFrames, HOLE, MAP_FRAME } from "../../frame-map.ts";
import { WHOLE_ENTRY, WITHIN_ENTRY } from "../engine.ts";
import {
  ENTRIES,
  GUEST_FLAGS,
  GUEST_HIGH,
  GUEST_LOW,
  PENDING,
  PENDING_ACCESSED,
  PENDING_DIRTY,
  STATE,
  WORDS,
} from "./entry.ts";
import { GROUPS, type ShadowPool } from "./pool.ts";
import { ROLE_DIRECT } from "./role.ts";

/**
 * Accessed and dirty flags that stand in shadow entries and not in the guest's tables yet. A flag is written when somebody is about
 * to look at it, or when its shadow entry goes; what the guest overwrites without having looked is never written.
 *
 * Shadow pages with such flags hang in a list for each guest frame, with a bit for each entry, so that a look costs what is
 * missing in the frame, and a look at one entry hardly anything.
 */
export class LazyFlags {
  /** Words of guest tables that were changed: to have few of them is what the laziness is for. */
  writes = 0;
  readonly #pool: ShadowPool;
  readonly #frames: GuestFrames;
  /** By guest frame, the first shadow page of its list, plus 1; 0 for none. The same in `#next` and `#previous`. */
  readonly #first: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** By shadow page, how many of its entries have flags here, and which. */
  readonly #count: Int32Array;
  readonly #pending: Int32Array;
  /** Shadow pages in all lists. */
  #pages = 0;

  constructor(pool: ShadowPool, frames: GuestFrames) {
    this.#pool = pool;
    this.#frames = frames;
    this.#first = new Int32Array(frames.map.length);
    this.#next = new Int32Array(pool.budget);
    this.#previous = new Int32Array(pool.budget);
    this.#count = new Int32Array(pool.budget);
    this.#pending = new Int32Array(pool.budget * GROUPS);
    pool.beforeDrop((entry) => this.write(entry));
  }

  /** Whether a guest frame holds a table whose flags are not all written. */
  isBehind(guestFrame: number): boolean {
    return this.#first[guestFrame] !== 0;
  }

  /** Remembers flags (`PENDING_…` bits) of an entry. */
  set(entry: number, flags: number): void {
    const at = entry * WORDS + STATE;
    const { entries } = this.#pool;
    const state = entries[at]!;
    entries[at] = state | flags;
    if ((state & PENDING) !== 0) return;
    const page = entry >>> 9;
    this.#pending[entry >>> 5]! |= 1 << (entry & 31);
    this.#count[page]! += 1;
    if (this.#count[page] === 1) this.#link(page);
  }

  /** Forgets the flags of an entry, which is to be made anew, and returns them. */
  take(entry: number): number {
    const at = entry * WORDS + STATE;
    const { entries } = this.#pool;
    const flags = entries[at]! & PENDING;
    if (flags === 0) return 0;
    entries[at]! &= ~PENDING;
    const page = entry >>> 9;
    this.#pending[entry >>> 5]! &= ~(1 << (entry & 31));
    this.#count[page]! -= 1;
    if (this.#count[page] === 0) this.#unlink(page);
    return flags;
  }

  /**
   * Writes the flags of an entry. An entry that the guest has changed since is left alone: a processor would have set the
   * flags in the old entry, which is gone.
   */
  write(entry: number): void {
    const flags = this.take(entry);
    if (flags === 0) return;
    const { entries } = this.#pool;
    const at = entry * WORDS;
    const gpa = this.#pool.guestEntry(entry);
    const { words, map } = this.#frames;
    const mapped = map[gpa >>> 12]!;
    if (mapped === HOLE) return;
    const word = ((mapped & MAP_FRAME) | (gpa & 0xfff)) >>> 2;
    const low = words[word]!;
    if (((low ^ entries[at + GUEST_LOW]!) & ~GUEST_FLAGS) !== 0 || words[word + 1] !== entries[at + GUEST_HIGH]) return;
    const wanted = low | guestFlags(flags);
    if (wanted !== low) {
      words[word] = wanted;
      this.writes++;
    }
    entries[at + GUEST_LOW] = wanted;
  }

  /**
   * A processor of the guest is about to access a frame that is behind: what it could see there is written.
   * @param offset bytes within the frame
   * @param access with `WITHIN_ENTRY` and `WHOLE_ENTRY`
   */
  beforeAccess(guestFrame: number, offset: number, access: number): void {
    const index = (access & WITHIN_ENTRY) !== 0 ? offset >>> 3 : -1;
    const replaces = (access & WHOLE_ENTRY) !== 0 && (access & ACCESS_WRITE) !== 0;
    for (let page = this.#first[guestFrame]! - 1; page >= 0; ) {
      const next = this.#next[page]! - 1;
      if (index < 0) this.#settlePage(page, false);
      else if ((this.#pool.role[page]! & ROLE_DIRECT) === 0) this.#settle(page * ENTRIES + index, replaces);
      else if ((this.#pool.source[page]! & (ENTRIES - 1)) === index) this.#settlePage(page, replaces);
      page = next;
    }
  }

  /** A device is about to access host frames: what is missing in them is written. */
  beforeDevice(hostFrames: Uint32Array): void {
    if (this.#pages === 0) return;
    for (let page = 0; page < this.#count.length; page++)
      if (this.#count[page] !== 0 && hostFrames.includes(this.#pool.tableWord[page]! >>> 10))
        this.#settlePage(page, false);
  }

  /** Writes all of them. */
  writeBack(): void {
    for (let page = 0; this.#pages > 0; page++) if (this.#count[page] !== 0) this.#settlePage(page, false);
  }

  #settlePage(page: number, replaced: boolean): void {
    for (let group = page * GROUPS; group < (page + 1) * GROUPS; group++)
      for (let left = this.#pending[group]!; left !== 0; left &= left - 1)
        this.#settle(group * 32 + 31 - Math.clz32(left & -left), replaced);
  }

  /** Of an entry that is replaced, nobody sees the flags; but the shadow entry is to know that it had them. */
  #settle(entry: number, replaced: boolean): void {
    if (replaced) this.#pool.entries[entry * WORDS + GUEST_LOW]! |= guestFlags(this.take(entry));
    else this.write(entry);
  }

  #link(page: number): void {
    const frame = this.#pool.source[page]! >>> 9;
    const first = this.#first[frame]!;
    this.#next[page] = first;
    this.#previous[page] = 0;
    if (first !== 0) this.#previous[first - 1] = page + 1;
    this.#first[frame] = page + 1;
    this.#pages++;
  }

  #unlink(page: number): void {
    const next = this.#next[page]!;
    const previous = this.#previous[page]!;
    if (previous === 0) this.#first[this.#pool.source[page]! >>> 9] = next;
    else this.#next[previous - 1] = next;
    if (next !== 0) this.#previous[next - 1] = previous;
    this.#pages--;
  }
}

function guestFlags(pending: number): number {
  return (
    ((pending & PENDING_ACCESSED) !== 0 ? ENTRY_ACCESSED : 0) | ((pending & PENDING_DIRTY) !== 0 ? ENTRY_DIRTY : 0)
  );
}
