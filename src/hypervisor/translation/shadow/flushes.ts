import { ENTRY_GLOBAL, tableIndex } from "../../../paging/index.ts";
import type { GuestFrames } from "../../frame-map.ts";
import { FlushJournal } from "../flush-journal.ts";
import type { TableWrites } from "../table-writes.ts";
import type { AddressSpace, AddressSpaces } from "./address-spaces.ts";
import { CHILD_SHIFT, ENTRIES, GUEST_LOW, LINK, STATE, WORDS } from "./entry.ts";
import { isCanonical } from "./guest-walk.ts";
import { standsFor } from "./leaves.ts";
import { NONE, type ShadowPool } from "./pool.ts";
import { ROLE_DIRECT } from "./role.ts";

// Constants of this file alone, which V8 folds; an imported one it loads and checks at every use.
const NOWHERE = NONE;
const FULL = ENTRIES;
const STRIDE = WORDS;
const AT_STATE = STATE;
const AT_LOW = GUEST_LOW;
const IS_GLOBAL = ENTRY_GLOBAL;
const IS_LINK = LINK;
const TO_CHILD = CHILD_SHIFT;
const DIRECT = ROLE_DIRECT;

/**
 * What a flush does to shadow tables: whole address spaces get a new serial number, so that their pages are compared before they
 * are used again; single pages are taken out. What processors' TLBs hold is not touched here.
 */
export class Flushes {
  readonly journal: FlushJournal;
  readonly #pool: ShadowPool;
  readonly #spaces: AddressSpaces;
  readonly #writes: TableWrites;
  readonly #frames: GuestFrames;

  constructor(pool: ShadowPool, spaces: AddressSpaces, writes: TableWrites, frames: GuestFrames) {
    this.#pool = pool;
    this.#spaces = spaces;
    this.#writes = writes;
    this.journal = new FlushJournal(writes);
    this.#frames = frames;
  }

  /** Flushes every entry of an address space. */
  space(space: AddressSpace): void {
    space.flushedAt = space.waysFlushedAt = this.#writes.tick();
  }

  /** Flushes every entry of all address spaces of a process-context identifier. */
  pcid(pcid: number): void {
    for (const space of this.#spaces) if (space.pcid === pcid) this.space(space);
  }

  all(): void {
    for (const space of this.#spaces) this.space(space);
  }

  /** Flushes a page in all address spaces of an identifier, and where it is global in all others. @param pcid -1 for all */
  page(pcid: number, high: number, low: number): void {
    this.#writes.tick();
    for (const space of this.#spaces) this.#flushPageOf(space, high, low, pcid !== -1 && space.pcid !== pcid);
  }

  /** Flushes a page in these address spaces; other pages and the other spaces keep what they have. */
  pageIn(spaces: readonly AddressSpace[], high: number, low: number): void {
    this.#writes.tick();
    for (const space of spaces) this.#flushPageOf(space, high, low, false);
  }

  /**
   * A fault takes what was remembered of its address out of the address space (paging.md A2, rule 15): the page, and on the way
   * to it what is no longer as the guest has it.
   */
  forgetFaulted(space: AddressSpace, high: number, low: number): void {
    const entry = this.#find(space, high, low, true);
    if (entry !== NOWHERE) this.#pool.drop(entry);
  }

  /** Flushes a page of one address space; with a large page, all of it. */
  #flushPageOf(space: AddressSpace, high: number, low: number, onlyGlobal: boolean): void {
    const entry = this.#find(space, high, low, false);
    const { entries } = this.#pool;
    if (entry !== NOWHERE && (!onlyGlobal || (entries[entry * STRIDE + AT_LOW]! & IS_GLOBAL) !== 0))
      this.#pool.drop(entry);
    if (!onlyGlobal) space.waysFlushedAt = this.#pool.now;
  }

  /**
   * Where a page is remembered: the leaf, the link to its pieces, or the empty entry that the way ends at.
   * @param comparing whether the way ends at a link too that the guest has changed
   */
  #find(space: AddressSpace, high: number, low: number, comparing: boolean): number {
    const { entries, role, level: levels, tableWord } = this.#pool;
    const { words } = this.#frames;
    let page = this.#onlyRoot(space);
    if (page === NOWHERE || !isCanonical(levels[page]!, high)) return NOWHERE;
    for (let level = levels[page]!; ; level--) {
      const index = tableIndex(level, high, low);
      const entry = page * FULL + index;
      const state = entries[entry * STRIDE + AT_STATE]!;
      const child = state >>> TO_CHILD;
      if ((state & IS_LINK) === 0 || (role[child]! & DIRECT) !== 0) return entry;
      const word = tableWord[page]! + index * 2;
      if (comparing && !standsFor(this.#pool, entry, words[word]!, words[word + 1]!)) return entry;
      page = child;
    }
  }

  /**
   * The topmost page that was used last; NONE before its first fill. Those of other roles are let go: whoever comes back to one
   * compares all of it. Roles of a space change seldom, and to look for each page in the tables of all of them costs more.
   */
  #onlyRoot(space: AddressSpace): number {
    const { roots, lastRoot } = space;
    const root = roots.get(lastRoot) ?? NOWHERE;
    if (roots.size > (root === NOWHERE ? 0 : 1))
      for (const key of roots.keys()) if (key !== lastRoot) this.#spaces.letGo(space, key);
    return root;
  }
}
