import {
  ACCESS_WRITE,
  CR0_PG,
  CR4_PAE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PKE,
  CR4_SMEP,
  FAULT_NONE,
  FAULT_PAGE,
  type PagingState,
} from "../../../paging/index.ts";
import { MAP_FRAME, MAX_PHYSICAL_ADDRESS_BITS } from "../../frame-map.ts";
import type { Refusal, TranslationEngine } from "../engine.ts";
import { FLUSH_ALL, FLUSH_PCID, type FlushScope, highBit, lowBit } from "../flush-journal.ts";
import { CachingEngine, type TlbContext } from "../physical-tlb.ts";
import { WalkEngine } from "../walk-engine.ts";
import type { AddressSpace } from "./address-spaces.ts";
import { Contexts } from "./contexts.ts";
import { shadowCounters } from "./counters.ts";
import { ENTRIES, GLOBAL, GUEST_LOW, LARGE, STATE, TABLE, WORDS } from "./entry.ts";
import { levelsOf } from "./guest-walk.ts";
import type { ShadowPageTables } from "./page-tables.ts";
import { ACCESS_BIT, ROLES, rootRole } from "./role.ts";
import type { LinearRange } from "./shootdown.ts";

// Constants of this file alone, which V8 folds; an imported one it loads and checks at every use.
const AT_STATE = STATE;
const AT_GUEST_LOW = GUEST_LOW;
const STRIDE = WORDS;
const FULL = ENTRIES;
const FRAME = MAP_FRAME;
const IS_LARGE = LARGE;
const IS_GLOBAL = GLOBAL;
const TO_TABLE = TABLE;
const PGE = CR4_PGE;
const WRITE = ACCESS_WRITE;
const KIND = ACCESS_BIT.length - 1;

export interface ShadowEngineOptions {
  /** Of the partition; all its processors have the same. */
  readonly tables: ShadowPageTables;
  /** This processor's number in the partition. */
  readonly processor: number;
  /** Of this processor: kept by reference, and looked at after `controlChanged` (`pkru` at every access). */
  readonly state: Readonly<PagingState>;
  /** MAXPHYADDR, 32 to 52; 40 when left out. */
  readonly maxPhysicalAddressBits?: number;
}

/**
 * One processor on shadow page tables: its part of the physical TLB first, then the partition's shadow tables, then a fill from
 * the guest's tables. What none of them allows plainly, the walk decides: it knows every reason to refuse, and a refusal is
 * never cached.
 */
export class ShadowEngine extends CachingEngine implements TranslationEngine {
  refusal: Refusal = FAULT_NONE;
  errorCode = 0;
  guestPhysicalAddress = 0;

  readonly #tables: ShadowPageTables;
  readonly #processor: number;
  readonly #state: Readonly<PagingState>;
  readonly #walk: WalkEngine;
  readonly #contexts = new Contexts();
  readonly #generation: Int32Array;
  readonly #counters = shadowCounters();
  #seen = 0;
  #pkru = 0;
  #space: AddressSpace | null = null;
  #root = -1;
  #rootsVersion = -1;

  constructor(options: ShadowEngineOptions) {
    super();
    const { tables, processor, state, maxPhysicalAddressBits = MAX_PHYSICAL_ADDRESS_BITS } = options;
    this.#tables = tables;
    this.#processor = processor;
    this.#state = state;
    this.#walk = new WalkEngine({ frames: tables.frames, state, maxPhysicalAddressBits, setFlags: true });
    this.#generation = tables.shootdown.generation;
    this.#seen = this.#generation[processor]!;
    tables.shootdown.onWord(processor, () => this.stopHits());
  }

  controlChanged(previous: Readonly<PagingState>, keep: boolean): void {
    const { cr0, cr3, cr4, efer } = this.#state;
    this.#walk.controlChanged();
    const isLoadOfCr3 = cr0 === previous.cr0 && cr4 === previous.cr4 && efer === previous.efer;
    const gone = previous.cr4 & ~cr4;
    if (((cr4 ^ previous.cr4) & CR4_PGE) !== 0 || (gone & CR4_PCIDE) !== 0 || (previous.cr0 & ~cr0 & CR0_PG) !== 0)
      this.#flushEverything();
    else if (((cr4 ^ previous.cr4) & CR4_PAE) !== 0 || (cr4 & ~previous.cr4 & CR4_SMEP) !== 0)
      this.#flushPcid(this.#pcid);
    else if (isLoadOfCr3 && !keep) this.#flushPcid(this.#pcid);
    if (isLoadOfCr3 && cr3 !== previous.cr3) this.#counters.addressSpaceSwitches++;
    this.#leave();
  }

  invalidatePage(high: number, low: number): void {
    this.#flushPage(this.#pcid, high, low);
  }

  invalidatePcid(type: 0 | 1 | 2 | 3, pcid: number, high: number, low: number): void {
    if (type >= 2) this.#flushEverything();
    else if (type === 1) this.#flushPcid(pcid);
    else this.#flushPage(pcid, high, low);
  }

  guestMapChanged(firstPage: number, pageCount: number): void {
    this.#walk.guestMapChanged();
    this.#tables.guestMapChanged(firstPage, pageCount);
  }

  synchronizeFlags(): void {
    this.#tables.synchronizeFlags();
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters };
  }

  override contexts(): readonly TlbContext[] {
    return this.#contexts.list();
  }

  get #pcid(): number {
    return (this.#state.cr4 & CR4_PCIDE) !== 0 ? this.#state.cr3 & 0xfff : 0;
  }

  /** What was left for this processor to forget, and the address space it is in now. */
  protected override catchUp(): void {
    if (this.#generation[this.#processor] !== this.#seen || this.#state.pkru !== this.#pkru) this.#takeWord();
    if (this.#space === null) this.#enter();
  }

  protected override miss(high: number, low: number, access: number): number {
    const needed = ACCESS_BIT[access & KIND]!;
    const tables = this.#tables;
    const space = this.#space!;
    if (this.#rootsVersion !== tables.spaces.rootsVersion) {
      this.#root = tables.pages.root(space, this.#state);
      this.#rootsVersion = tables.spaces.rootsVersion;
    }
    let entry = tables.ways.lookup(space, this.#root, high, low, this.#counters);
    if (entry < 0 || (tables.allowedNow(entry, this.#state) & needed) === 0) {
      this.#counters.pageFaultIntercepts++;
      entry = tables.fill(space, this.#state, high, low, needed, this.#counters);
      if (entry < 0) return this.#walkInstead(high, low, access);
    }
    return this.#use(entry, high, low, access);
  }

  /** Takes an entry into the TLB, unless it leads to a guest table: there, flags are to be in place before the guest looks. */
  #use(entry: number, high: number, low: number, access: number): number {
    const tables = this.#tables;
    const { pool } = tables;
    const at = entry * STRIDE;
    const state = pool.entries[at + AT_STATE]!;
    const isLarge = (state & IS_LARGE) !== 0;
    const within = isLarge ? (low >>> 12) & (FULL - 1) : 0;
    const address = (((pool.entries[at]! & FRAME) + (within << 12)) | (low & 0xfff)) >>> 0;
    const global = (state & IS_GLOBAL) !== 0 && (this.#state.cr4 & PGE) !== 0;
    if ((state & TO_TABLE) !== 0 && (access & WRITE) !== 0) tables.writes.wrote(address);
    if (isLarge && (state & TO_TABLE) === 0) {
      tables.pages.willCacheLarge(pool.guestFrame(entry));
      if (tables.isPiece(entry)) this.markPiece(low, tables.hasGigabytePages);
      this.rememberLarge(high, low, access, address, global);
      return address;
    }
    const isPiece = isLarge || tables.isPiece(entry);
    const guestFrame = isPiece ? pool.guestFrame(entry) + within : pool.entries[at + AT_GUEST_LOW]! >>> 12;
    if ((state & TO_TABLE) === 0 || !pool.isTable(guestFrame)) {
      tables.pages.willCache(guestFrame);
      if (isPiece) this.markPiece(low, tables.hasGigabytePages);
      this.rememberSmall(high, low, access, address, global);
    } else if (tables.lazy.isBehind(guestFrame)) {
      this.#counters.pageTableAccessIntercepts++;
      tables.lazy.beforeAccess(guestFrame, low & 0xfff, access);
    }
    return address;
  }

  #walkInstead(high: number, low: number, access: number): number {
    const address = this.#walk.walk(high, low, access);
    if (address >= 0) {
      if ((access & WRITE) !== 0) this.#tables.writes.wrote(address);
      this.#tables.synchronizeFlags();
      return address;
    }
    this.#counters.reflectedGuestPageFaults++;
    if (this.#walk.refusal === FAULT_PAGE) {
      this.#tables.flushes.forgetFaulted(this.#space!, high, low);
      this.dropAddress(low);
    }
    this.refusal = this.#walk.refusal;
    this.errorCode = this.#walk.errorCode;
    this.guestPhysicalAddress = this.#walk.guestPhysicalAddress;
    return -1;
  }

  #enter(): void {
    const state = this.#state;
    const space = this.#tables.pages.enter(state, this.#counters);
    this.#space = space;
    this.#rootsVersion = -1;
    const control = levelsOf(state) * ROLES + rootRole(state);
    this.letHit((state.cr4 & CR4_PKE) === 0);
    const { now } = this.#tables.pool;
    const context = this.#contexts.of(space.tag, space.pcid, control, now, space.flushedAt);
    this.useSpace(context, this.#contexts.ofGlobal(control, now));
  }

  /** The control registers or the TLB's contexts are others now: the next access finds out which. */
  #leave(): void {
    if (this.#space !== null) this.#tables.spaces.leave(this.#space);
    this.#space = null;
    this.stopHits();
  }

  #takeWord(): void {
    if (this.#state.pkru !== this.#pkru) {
      this.#pkru = this.#state.pkru;
      this.#contexts.forgetAll();
    }
    this.#seen = this.#generation[this.#processor]!;
    const ranges = this.#tables.shootdown.take(this.#processor);
    if (ranges === null) this.#contexts.forgetAll();
    else for (const range of ranges) this.#forget(range);
    this.#leave();
  }

  #forget(range: LinearRange): void {
    for (let page = 0; page < range.pages; page++) this.dropAddress((range.low + page * 0x1000) | 0);
  }

  #flushPage(pcid: number, high: number, low: number): void {
    this.#counters.localGvaRangeFlushes++;
    this.#record(FLUSH_PCID, pcid, high, low, 1);
    this.#tables.flushes.page(pcid, high, low);
    this.dropAddress(low);
  }

  #record(scope: FlushScope, of: number, high: number, low: number, pages: number): void {
    const processor = this.#processor;
    this.#tables.flushes.journal.record(scope, of, high, low, pages, lowBit(processor), highBit(processor));
  }

  #flushPcid(pcid: number): void {
    this.#counters.addressSpaceFlushes++;
    this.#record(FLUSH_PCID, pcid, 0, 0, 0);
    this.#tables.flushes.pcid(pcid);
    this.#contexts.forgetPcid(pcid);
    this.#leave();
  }

  #flushEverything(): void {
    this.#counters.addressDomainFlushes++;
    this.#record(FLUSH_ALL, 0, 0, 0, 0);
    this.#tables.flushes.all();
    this.#contexts.forgetAll();
    this.#leave();
  }
}
