import { ENTRY_GLOBAL, tableIndex } from "../../../paging/index.ts";
import type { GuestFrames } from "../../frame-map.ts";
import { FlushJournal, type FlushScope } from "../flush-journal.ts";
import type { TableWrites } from "../table-writes.ts";
import type { AddressSpace, AddressSpaces } from "./address-spaces.ts";
import { CHILD_SHIFT, ENTRIES, GUEST_LOW, LINK, STATE, WORDS } from "./entry.ts";
import { isCanonical } from "./guest-walk.ts";
import { standsFor } from "./leaves.ts";
import type { ShadowPool } from "./pool.ts";
import { ROLE_DIRECT } from "./role.ts";

/**
 * What a flush does to shadow tables: whole address spaces get a new serial number, so that their pages are compared before they
 * are used again; single pages are taken out. What processors' TLBs hold is not touched here.
 */
export class Flushes {
  readonly journal = new FlushJournal();
  readonly #pool: ShadowPool;
  readonly #spaces: AddressSpaces;
  readonly #writes: TableWrites;
  readonly #frames: GuestFrames;

  constructor(pool: ShadowPool, spaces: AddressSpaces, writes: TableWrites, frames: GuestFrames) {
    this.#pool = pool;
    this.#spaces = spaces;
    this.#writes = writes;
    this.#frames = frames;
  }

  /** Writes down what is about to be flushed: nothing that is older than this call may be used after the flush. */
  record(
    scope: FlushScope,
    of: number,
    high: number,
    low: number,
    pages: number,
    processorsLow: number,
    processorsHigh: number,
  ): void {
    this.journal.record(this.#writes.tick(), scope, of, high, low, pages, processorsLow, processorsHigh);
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
    const pool = this.#pool;
    const { words } = this.#frames;
    for (const root of space.roots.values()) {
      if (!isCanonical(pool.level[root]!, high)) continue;
      for (let page = root, level = pool.level[root]!; level > 1; level--) {
        const index = tableIndex(level, high, low);
        const entry = page * ENTRIES + index;
        const state = pool.entries[entry * WORDS + STATE]!;
        if ((state & LINK) === 0 || (pool.role[state >>> CHILD_SHIFT]! & ROLE_DIRECT) !== 0) break;
        const word = pool.tableWord[page]! + index * 2;
        if (!standsFor(pool, entry, words[word]!, words[word + 1]!)) {
          pool.drop(entry);
          break;
        }
        page = state >>> CHILD_SHIFT;
      }
    }
    this.#dropPage(space, high, low, false);
  }

  /** Flushes a page of one address space; with a large page, all of it. */
  #flushPageOf(space: AddressSpace, high: number, low: number, onlyGlobal: boolean): void {
    this.#dropPage(space, high, low, onlyGlobal);
    if (!onlyGlobal) space.waysFlushedAt = this.#pool.now;
  }

  #dropPage(space: AddressSpace, high: number, low: number, onlyGlobal: boolean): void {
    const pool = this.#pool;
    for (const root of space.roots.values()) {
      if (!isCanonical(pool.level[root]!, high)) continue;
      for (let page = root, level = pool.level[root]!; level > 0; level--) {
        const entry = page * ENTRIES + tableIndex(level, high, low);
        const state = pool.entries[entry * WORDS + STATE]!;
        const child = state >>> CHILD_SHIFT;
        if ((state & LINK) !== 0 && (pool.role[child]! & ROLE_DIRECT) === 0) {
          page = child;
          continue;
        }
        const global = (pool.entries[entry * WORDS + GUEST_LOW]! & ENTRY_GLOBAL) !== 0;
        if (!onlyGlobal || global) pool.drop(entry);
        break;
      }
    }
  }
}
