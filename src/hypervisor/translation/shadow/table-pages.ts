import { CR4_PCIDE, type PagingState } from "../../../paging/index.ts";
import { type GuestFrames, MAP_FRAME } from "../../frame-map.ts";
import type { TableWrites } from "../table-writes.ts";
import type { AddressSpace, AddressSpaces } from "./address-spaces.ts";
import type { ShadowCounters } from "./counters.ts";
import { ENTRIES } from "./entry.ts";
import type { Flushes } from "./flushes.ts";
import { type GuestWalk, levelsOf } from "./guest-walk.ts";
import { IN_TLB, NONE, type ShadowPool } from "./pool.ts";
import { ROLE_DIRECT, ROLES, rootRole } from "./role.ts";
import type { Shootdown } from "./shootdown.ts";
import type { Ways } from "./ways.ts";

/** Shadow pages that one fill may need: five levels, and two of pieces. */
const PAGES_OF_A_FILL = 7;

export interface TablePagesOptions {
  readonly frames: GuestFrames;
  readonly pool: ShadowPool;
  readonly spaces: AddressSpaces;
  readonly walk: GuestWalk;
  readonly ways: Ways;
  readonly flushes: Flushes;
  readonly writes: TableWrites;
  readonly shootdown: Shootdown;
}

/**
 * Which guest tables have shadow pages, and which address spaces begin at which: pages are made when a fill needs them, and
 * taken back when the budget is spent, with the address space that was left longest ago.
 */
export class TablePages {
  readonly #frames: GuestFrames;
  readonly #pool: ShadowPool;
  readonly #spaces: AddressSpaces;
  readonly #walk: GuestWalk;
  readonly #ways: Ways;
  readonly #flushes: Flushes;
  readonly #writes: TableWrites;
  readonly #shootdown: Shootdown;
  /** By 2 MiB of guest frames, whether a processor's TLB may hold them as one. */
  readonly #largeInTlb: Uint8Array;

  constructor(options: TablePagesOptions) {
    this.#frames = options.frames;
    this.#pool = options.pool;
    this.#spaces = options.spaces;
    this.#walk = options.walk;
    this.#ways = options.ways;
    this.#flushes = options.flushes;
    this.#writes = options.writes;
    this.#shootdown = options.shootdown;
    this.#largeInTlb = new Uint8Array(options.frames.map.length / ENTRIES);
  }

  /** Makes the address space of these control registers active for a processor: the one it was, if it is still known. */
  enter(state: Readonly<PagingState>, counters: ShadowCounters): AddressSpace {
    const space = this.#spaces.enter(tagOf(state), this.#pool.now);
    if (this.#spaces.count > this.#pool.budget) this.#evictOne(counters);
    return space;
  }

  /** The topmost shadow page of a space for a role; -1 before its first fill. */
  root(space: AddressSpace, state: Readonly<PagingState>): number {
    space.lastRoot = rootKey(levelsOf(state), rootRole(state));
    return space.roots.get(space.lastRoot) ?? NONE;
  }

  /** A processor's TLB is to hold this guest frame. */
  willCache(guestFrame: number): void {
    this.#pool.marks[guestFrame]! |= IN_TLB;
  }

  /** The same for 512 frames. */
  willCacheLarge(firstGuestFrame: number): void {
    this.#largeInTlb[firstGuestFrame >>> 9] = 1;
  }

  /** A shadow page by its key. One that was there already may have missed flushes of the ways that lead to it now. */
  pageFor(source: number, level: number, role: number, piece: number, base: number, counters: ShadowCounters): number {
    const pool = this.#pool;
    const known = pool.find(source, level, role, piece);
    if (known < 0) return this.#newPage(source, level, role, piece, base, counters);
    if ((role & ROLE_DIRECT) !== 0) {
      pool.dropAll(known);
      pool.base[known] = base;
    } else if (level === 1) this.#ways.validate(known, counters);
    else this.#flushes.all();
    return known;
  }

  #newPage(source: number, level: number, role: number, piece: number, base: number, counters: ShadowCounters): number {
    const pool = this.#pool;
    const frame = source >>> 9;
    const isNews = !pool.isTable(frame);
    const page = pool.allocate(source, level, role, piece);
    pool.tableWord[page] = ((this.#frames.map[frame]! & MAP_FRAME) >>> 2) + (source & (ENTRIES - 1)) * 2;
    pool.base[page] = base;
    pool.validatedAt[page] = this.#pool.now;
    counters.pageTableAllocations++;
    if (isNews) this.#becomesTable(frame);
    return page;
  }

  /** From now on every access to this frame is to come by here, because the guest may look at flags. */
  #becomesTable(frame: number): void {
    this.#writes.watch(this.#frames.map[frame]! >>> 12);
    this.#pool.markMappers(frame);
    const { marks } = this.#pool;
    if ((marks[frame]! & IN_TLB) === 0 && this.#largeInTlb[frame >>> 9] === 0) return;
    marks[frame]! &= ~IN_TLB;
    this.#largeInTlb[frame >>> 9] = 0;
    this.#shootdown.all();
  }

  rootFor(space: AddressSpace, counters: ShadowCounters): number {
    const walk = this.#walk;
    const role = walk.role[walk.levels]!;
    const key = rootKey(walk.levels, role);
    const known = space.roots.get(key);
    if (known !== undefined) return known;
    const source = walk.table[walk.levels]!;
    const found = this.#pool.find(source, walk.levels, role, 0);
    const root = found === NONE ? this.#newPage(source, walk.levels, role, 0, 0, counters) : found;
    // The space has let it go before, and flushed pages since.
    if (found !== NONE) this.#flushes.space(space);
    this.#spaces.begin(space, key, root);
    return root;
  }

  /** Sees to it that one fill finds enough shadow pages. */
  makeRoom(counters: ShadowCounters): void {
    while (!this.#pool.hasRoom(PAGES_OF_A_FILL)) {
      const reclaimed = this.#pool.reclaim();
      counters.pageTableReclamations += reclaimed;
      if (reclaimed === 0 && !this.#evictOne(counters)) this.#reset(counters);
    }
  }

  /** Forgets the address space that was left longest ago. @returns false when all are in use */
  #evictOne(counters: ShadowCounters): boolean {
    const space = this.#spaces.leastRecentlyUsed();
    if (space === null) return false;
    this.#unpin(space);
    this.#spaces.remove(space);
    counters.addressSpaceEvictions++;
    counters.pageTableEvictions += this.#pool.reclaim();
    return true;
  }

  /** Forgets all shadow pages; the address spaces stay, empty. */
  #reset(counters: ShadowCounters): void {
    for (const space of this.#spaces) this.#unpin(space);
    counters.pageTableResets++;
    counters.pageTableEvictions += this.#pool.reclaim();
  }

  #unpin(space: AddressSpace): void {
    for (const key of space.roots.keys()) this.#spaces.letGo(space, key);
  }

  /** Takes a shadow page away from everything that leads to it. */
  takeAway(page: number): void {
    this.#pool.dropAll(page);
    this.#pool.unlink(page);
    for (const space of this.#spaces)
      for (const [key, root] of space.roots) if (root === page) this.#spaces.letGo(space, key);
    if (this.#pool.references[page] === 0) this.#pool.release(page);
  }
}

/** The guest's CR3, without the process-context identifier where it has none. */
export function tagOf(state: Readonly<PagingState>): number {
  return (state.cr4 & CR4_PCIDE) !== 0 ? state.cr3 : state.cr3 - (state.cr3 & 0xfff);
}

function rootKey(levels: number, role: number): number {
  return levels * ROLES + role;
}
