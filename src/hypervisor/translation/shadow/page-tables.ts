import { StopcodeError } from "../../../binary/index.ts";
import { ENTRY_ACCESSED, type PagingState, tableIndex } from "../../../paging/index.ts";
import { type GuestFrames, HOLE, MAX_PHYSICAL_ADDRESS_BITS } from "../../frame-map.ts";
import { LargePages } from "../../large-pages/index.ts";
import { TableWrites } from "../table-writes.ts";
import { type AddressSpace, AddressSpaces } from "./address-spaces.ts";
import type { ShadowCounters } from "./counters.ts";
import {
  CHILD_SHIFT,
  ENTRIES,
  GUEST_HIGH,
  GUEST_LOW,
  KEYED,
  LARGE,
  LINK,
  PENDING_ACCESSED,
  STATE,
  TABLE,
  WORDS,
} from "./entry.ts";
import { Flushes } from "./flushes.ts";
import { GuestWalk, isCanonical, levelsOf } from "./guest-walk.ts";
import { LazyFlags } from "./lazy-flags.ts";
import { Leaves, standsFor } from "./leaves.ts";
import { NONE, ShadowPool } from "./pool.ts";
import { allowedAccesses, EVERY_ACCESS, mapAllows, ROLE_DIRECT, ROLE_KEYED, refusedByKey, WRITES } from "./role.ts";
import { Shootdown } from "./shootdown.ts";
import { TablePages } from "./table-pages.ts";
import { Ways } from "./ways.ts";

const DEFAULT_BUDGET = 2048;
const DEFAULT_BATCH = 32;
const WORDS_OF_FRAME = 1024;

/**
 * Whether 512 guest frames can be one large page of the host: conditions 2 and 3 of systems.md 4.2, contiguous and naturally
 * aligned frames, and the same rights for all. @returns the map's entry of the first, or 0
 */
export type LargeBacking = (map: Int32Array, firstGuestFrame: number) => number;

export interface ShadowOptions {
  readonly frames: GuestFrames;
  /** Virtual processors of the partition. */
  readonly processors: number;
  /** MAXPHYADDR, 32 to 52; 40 when left out. */
  readonly maxPhysicalAddressBits?: number;
  /** Shadow pages that there may be: the virtual TLB's recommended size. */
  readonly budgetPages?: number;
  /** Neighbouring leaves that one miss fills at most, 1 to 512. */
  readonly batch?: number;
  readonly largeBacking?: LargeBacking;
  /** The machine's, where there are other partitions; left out, it is alone. */
  readonly writes?: TableWrites;
}

/**
 * The shadow page tables of a partition, GVA to SPA, and its tagged virtual TLB. All processors of the partition use them.
 *
 * They are no more coherent than a TLB: an entry stands until a flush that covers it, and then its shadow page is compared
 * with the guest's table before it is used again. So the guest's writes to its tables cost nothing, and coming back to an
 * address space that has not changed fills nothing anew.
 */
export class ShadowPageTables {
  readonly frames: GuestFrames;
  readonly pool: ShadowPool;
  readonly spaces: AddressSpaces;
  readonly lazy: LazyFlags;
  readonly walk: GuestWalk;
  readonly ways: Ways;
  readonly shootdown: Shootdown;
  readonly flushes: Flushes;
  readonly pages: TablePages;
  readonly writes: TableWrites;
  readonly maxPhysicalAddressBits: number;
  /** Whether the guest has ever been seen to map 1 GiB with one entry. */
  hasGigabytePages = false;

  readonly #leaves: Leaves;
  readonly #largePages: LargePages;
  readonly #largeBacking: LargeBacking;

  constructor(options: ShadowOptions) {
    const { frames, budgetPages = DEFAULT_BUDGET, batch = DEFAULT_BATCH } = options;
    if (!Number.isInteger(batch) || batch < 1 || batch > ENTRIES)
      throw new StopcodeError("hypervisor/shadow-batch", `a batch has 1 to ${ENTRIES} entries, not ${batch}`);
    const guestFrames = frames.map.length;
    this.frames = frames;
    this.writes = options.writes ?? new TableWrites(frames.words.length / WORDS_OF_FRAME);
    this.maxPhysicalAddressBits = options.maxPhysicalAddressBits ?? MAX_PHYSICAL_ADDRESS_BITS;
    this.pool = new ShadowPool(guestFrames, budgetPages, this.writes);
    this.spaces = new AddressSpaces(this.pool);
    this.lazy = new LazyFlags(this.pool, frames);
    this.walk = new GuestWalk(frames, this.maxPhysicalAddressBits);
    this.ways = new Ways(this.pool, frames);
    this.shootdown = new Shootdown(options.processors);
    this.flushes = new Flushes(this.pool, this.spaces, this.writes, frames);
    this.pages = new TablePages(this);
    this.#leaves = new Leaves(this.pool, this.lazy, this.walk, frames, batch);
    this.#largePages = new LargePages(options.frames.map);
    this.#largeBacking = options.largeBacking ?? ((_, first) => this.#largePages.backing(first));
  }

  /** Whether a leaf stands for less than the guest's page: INVLPG of one part has to take all. */
  isPiece(entry: number): boolean {
    return (this.pool.role[entry >>> 9]! & ROLE_DIRECT) !== 0;
  }

  /** Accesses that a leaf allows under these control registers as they stand: protection keys change without a flush. */
  allowedNow(entry: number, state: Readonly<PagingState>): number {
    const { entries } = this.pool;
    const at = entry * WORDS;
    const allowed = entries[at]! & EVERY_ACCESS;
    return (entries[at + STATE]! & KEYED) === 0 ? allowed : allowed & ~refusedByKey(state, entries[at + GUEST_HIGH]!);
  }

  /**
   * Puts a leaf for an address in, with neighbours (systems.md 1.3), after `ways.lookup` has found none that is enough. The flags of
   * the access become pending. Where only the leaf is missing, the shadow pages above it do what a processor's cache of
   * directory entries does (paging.md A2, rule 12), and the guest's tables above the last are not read.
   * @param needed bit of the allowed accesses that the access needs
   * @returns the leaf; -1, with nothing changed, where the access is not plainly allowed: then the walk says what it is
   */
  fill(
    space: AddressSpace,
    state: Readonly<PagingState>,
    high: number,
    low: number,
    needed: number,
    counters: ShadowCounters,
  ): number {
    const plain = this.ways.reached === NONE ? NONE : this.#fillReached(state, low, needed, counters);
    if (plain !== NONE) return plain;
    const { walk } = this;
    if (!isCanonical(levelsOf(state), high) || !walk.walk(state, high, low)) return -1;
    const allowed = allowedAccesses(walk.pageRole);
    const { guestFrame } = walk;
    const mapped = this.frames.map[guestFrame]!;
    if (mapped === HOLE || (allowed & mapAllows(mapped) & needed) === 0) return -1;
    const keyed = (walk.pageRole & ROLE_KEYED) === ROLE_KEYED;
    if (keyed && (refusedByKey(state, walk.high[walk.leafLevel]!) & needed) !== 0) return -1;

    this.pages.makeRoom(counters);
    let page = this.pages.rootFor(space, counters);
    for (let level = walk.levels; level > walk.leafLevel; level--) {
      this.ways.validateFor(space, page, counters);
      const entry = page * ENTRIES + tableIndex(level, high, low);
      page = this.#linkToTable(entry, level, counters);
    }
    this.ways.validateFor(space, page, counters);
    return this.#fillLeaf(page, high, low, guestFrame, allowed, (needed & WRITES) !== 0, counters);
  }

  /** Writes all lazy flags to the guest's tables. */
  synchronizeFlags(): void {
    this.lazy.writeBack();
  }

  /** A device is about to access these host frames, some of which may hold tables. */
  beforeDevice(hostFrames: Uint32Array): void {
    this.lazy.beforeDevice(hostFrames);
  }

  /** A processor without paging is about to access a guest frame, which may hold a table. @param offset bytes in the frame */
  beforeUntranslated(guestFrame: number, offset: number, access: number): void {
    if (this.lazy.isBehind(guestFrame)) this.lazy.beforeAccess(guestFrame, offset, access);
  }

  /**
   * The partition's map has changed for these pages. Leaves to them go, and shadow pages of tables in them; no processor
   * translates with what it remembers.
   */
  guestMapChanged(firstPage: number, pageCount: number): void {
    this.#largePages.mapChanged(firstPage, pageCount);
    const end = Math.min(firstPage + pageCount, this.frames.map.length);
    for (let frame = firstPage; frame < end; frame++) {
      this.pool.dropMappers(frame);
      for (const page of this.pool.shadowsOf(frame)) this.pages.takeAway(page);
    }
    this.shootdown.all();
  }

  /** The partition's own figures, by the shipped names. */
  counters(): Readonly<Record<string, number>> {
    return {
      virtualTlbPages: this.pool.used,
      recommendedVirtualTlbSize: this.pool.budget,
      addressSpaces: this.spaces.count,
      depositedPages: this.pool.level.length,
      guestTableFlagWrites: this.lazy.writes,
    };
  }

  /** The leaf that alone was missing, where the guest's entry allows the access and has all flags. */
  #fillReached(state: Readonly<PagingState>, low: number, needed: number, counters: ShadowCounters): number {
    const entry = this.#leaves.fillPlain(this.ways.reached, (low >>> 12) & (ENTRIES - 1), needed, counters);
    if (entry === NONE || (this.allowedNow(entry, state) & needed) !== 0) return entry;
    this.pool.drop(entry);
    return NONE;
  }

  #fillLeaf(
    page: number,
    high: number,
    low: number,
    guestFrame: number,
    allowed: number,
    write: boolean,
    counters: ShadowCounters,
  ): number {
    const { walk, pool } = this;
    if (walk.leafLevel === 1)
      return this.#leaves.fillSmall(page, tableIndex(1, high, low), guestFrame, allowed, write, counters);
    let directory = page;
    if (walk.leafLevel === 3) {
      this.hasGigabytePages = true;
      const first = guestFrame & ~(ENTRIES * ENTRIES - 1);
      directory = this.#linkToPieces(page * ENTRIES + tableIndex(3, high, low), 2, first, 0, counters);
    }
    const index = tableIndex(2, high, low);
    const entry = directory * ENTRIES + index;
    const first = guestFrame & ~(ENTRIES - 1);
    const backing = this.#largeBacking(this.frames.map, first);
    if (backing !== HOLE) {
      this.#leaves.place(entry, first, backing, allowed, write);
      pool.entries[entry * WORDS + STATE]! |= LARGE;
      if (pool.anyTable(first)) pool.entries[entry * WORDS + STATE]! |= TABLE;
      counters.largePageTlbFills++;
      return entry;
    }
    const piece = walk.leafLevel === 3 ? index : 0;
    const pieces = this.#linkToPieces(entry, 1, first, piece, counters);
    return this.#leaves.fillSmall(pieces, tableIndex(1, high, low), guestFrame, allowed, write, counters);
  }

  /** The shadow page below an entry that leads to a guest table, as the walk has just read it. */
  #linkToTable(entry: number, level: number, counters: ShadowCounters): number {
    const { walk, pool } = this;
    const at = entry * WORDS;
    const low = walk.low[level]!;
    const high = walk.high[level]!;
    const state = pool.entries[at + STATE]!;
    let child = state >>> CHILD_SHIFT;
    const stands = (state & LINK) !== 0 && standsFor(this.pool, entry, low, high);
    if (!stands) {
      child = this.pages.pageFor(walk.table[level - 1]!, level - 1, walk.role[level - 1]!, 0, 0, counters);
      pool.drop(entry);
      pool.setLink(entry, child);
      pool.entries[at + GUEST_HIGH] = high;
    }
    pool.entries[at + GUEST_LOW] = low;
    if ((low & ENTRY_ACCESSED) === 0) this.lazy.set(entry, PENDING_ACCESSED);
    return child;
  }

  /** The shadow page of pieces below an entry that maps a large page. Flags stay with the pieces. */
  #linkToPieces(entry: number, level: number, base: number, piece: number, counters: ShadowCounters): number {
    const { walk, pool } = this;
    const at = entry * WORDS;
    const low = walk.low[walk.leafLevel]!;
    const high = walk.high[walk.leafLevel]!;
    const state = pool.entries[at + STATE]!;
    const stands = (state & LINK) !== 0 && standsFor(this.pool, entry, low, high);
    pool.entries[at + GUEST_LOW] = low;
    if (stands) return state >>> CHILD_SHIFT;
    const source = pool.guestEntry(entry) / 8;
    const child = this.pages.pageFor(source, level, walk.pageRole | ROLE_DIRECT, piece, base, counters);
    pool.drop(entry);
    pool.setLink(entry, child);
    pool.entries[at + GUEST_LOW] = low;
    pool.entries[at + GUEST_HIGH] = high;
    return child;
  }
}
