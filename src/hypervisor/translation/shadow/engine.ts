import { CR0_PG, CR4_PAE, CR4_PCIDE, CR4_PGE, CR4_SMEP, FAULT_NONE, type PagingState } from "../../../paging/index.ts";
import { MAP_FRAME, MAX_PHYSICAL_ADDRESS_BITS } from "../../frame-map.ts";
import type { Refusal, TranslationEngine } from "../engine.ts";
import { WalkEngine } from "../walk-engine.ts";
import type { AddressSpace } from "./address-spaces.ts";
import { shadowCounters } from "./counters.ts";
import { ENTRIES, STATE, TABLE, WORDS } from "./entry.ts";
import { isCanonical, levelsOf } from "./guest-walk.ts";
import type { ShadowPageTables } from "./page-tables.ts";
import { ProcessorTlb, TLB_SLOT_MASK } from "./processor-tlb.ts";
import { ACCESS_BIT, rootRole } from "./role.ts";
import type { LinearRange } from "./shootdown.ts";

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
 * One processor on shadow page tables: its own TLB first, then the partition's shadow tables, then a fill from the guest's
 * tables. What none of them allows plainly, the walk decides: it knows every reason to refuse, and a refusal is never cached.
 */
export class ShadowEngine implements TranslationEngine {
  refusal: Refusal = FAULT_NONE;
  errorCode = 0;
  guestPhysicalAddress = 0;

  readonly #tables: ShadowPageTables;
  readonly #processor: number;
  readonly #state: Readonly<PagingState>;
  readonly #walk: WalkEngine;
  readonly #tlb = new ProcessorTlb();
  readonly #tagLow = this.#tlb.tagLow;
  readonly #tagHigh = this.#tlb.tagHigh;
  readonly #translation = this.#tlb.translation;
  readonly #generation: Int32Array;
  readonly #counters = shadowCounters();
  #seen = 0;
  #pkru = 0;
  #context = 0;
  #space: AddressSpace | null = null;
  #root = -1;
  #rootsVersion = -1;

  constructor(options: ShadowEngineOptions) {
    const { tables, processor, state, maxPhysicalAddressBits = MAX_PHYSICAL_ADDRESS_BITS } = options;
    this.#tables = tables;
    this.#processor = processor;
    this.#state = state;
    this.#walk = new WalkEngine({ frames: tables.frames, state, maxPhysicalAddressBits, setFlags: true });
    this.#generation = tables.shootdown.generation;
    this.#seen = this.#generation[processor]!;
  }

  translate(high: number, low: number, access: number): number {
    if (this.#generation[this.#processor] !== this.#seen || this.#state.pkru !== this.#pkru) this.#catchUp();
    const slot = (low >>> 12) & TLB_SLOT_MASK;
    if (this.#tagLow[slot] === ((low & MAP_FRAME) | this.#context) && this.#tagHigh[slot] === high) {
      const translation = this.#translation[slot]!;
      if ((translation & ACCESS_BIT[access]!) !== 0) return ((translation & MAP_FRAME) | (low & 0xfff)) >>> 0;
    }
    return this.#miss(high | 0, low | 0, access);
  }

  controlChanged(previous: Readonly<PagingState>, keep: boolean): void {
    const { cr0, cr3, cr4, efer } = this.#state;
    const tables = this.#tables;
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
    tables.synchronizeFlags();
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

  get #pcid(): number {
    return (this.#state.cr4 & CR4_PCIDE) !== 0 ? this.#state.cr3 & 0xfff : 0;
  }

  #miss(high: number, low: number, access: number): number {
    const needed = ACCESS_BIT[access]!;
    const tables = this.#tables;
    const isBack = this.#space === null;
    const space = this.#active();
    // The TLB was asked without a context. It may have kept this page.
    if (isBack && (this.#tlb.find(this.#context, high, low) & needed) !== 0) return this.translate(high, low, access);
    let entry = -1;
    if (this.#root >= 0 && isCanonical(levelsOf(this.#state), high))
      entry = tables.lookup(space, this.#root, high, low, this.#counters);
    if (entry < 0 || (tables.allowedNow(entry, this.#state) & needed) === 0) {
      this.#counters.pageFaultIntercepts++;
      entry = tables.fill(space, this.#state, high, low, needed, this.#counters);
      if (entry < 0) return this.#walkInstead(high, low, access);
    }
    return this.#use(entry, high, low);
  }

  /** Takes an entry into the TLB, unless it leads to a guest table: there, flags are to be in place before the guest looks. */
  #use(entry: number, high: number, low: number): number {
    const tables = this.#tables;
    const { entries } = tables.pool;
    const at = entry * WORDS;
    const isPiece = tables.isPiece(entry);
    const within = tables.isLarge(entry) ? (low >>> 12) & (ENTRIES - 1) : 0;
    const frame = (entries[at]! & MAP_FRAME) + (within << 12);
    const guestFrame = tables.guestFrameOf(entry, low);
    if ((entries[at + STATE]! & TABLE) === 0 || !tables.pool.isTable(guestFrame)) {
      tables.willCache(guestFrame);
      this.#tlb.insert(this.#context, high, low, frame | tables.allowedNow(entry, this.#state), isPiece);
    } else if (tables.lazy.isBehind(guestFrame)) {
      this.#counters.pageTableAccessIntercepts++;
      tables.synchronizeFlags();
    }
    return ((frame & MAP_FRAME) | (low & 0xfff)) >>> 0;
  }

  #walkInstead(high: number, low: number, access: number): number {
    const address = this.#walk.translate(high, low, access);
    if (address >= 0) {
      this.#tables.synchronizeFlags();
      return address;
    }
    this.#counters.reflectedGuestPageFaults++;
    this.refusal = this.#walk.refusal;
    this.errorCode = this.#walk.errorCode;
    this.guestPhysicalAddress = this.#walk.guestPhysicalAddress;
    return -1;
  }

  /** The address space to translate in, with its topmost shadow page where it is known. */
  #active(): AddressSpace {
    const tables = this.#tables;
    if (this.#space === null) {
      this.#space = tables.enter(this.#state, this.#counters);
      this.#rootsVersion = -1;
      this.#renewContext(this.#space);
    }
    if (this.#rootsVersion !== tables.rootsVersion) {
      this.#root = tables.root(this.#space, this.#state);
      this.#rootsVersion = tables.rootsVersion;
    }
    return this.#space;
  }

  /** The control registers or the TLB's contexts are others now: the next miss finds out which. */
  #leave(): void {
    if (this.#space !== null) this.#tables.spaces.leave(this.#space);
    this.#space = null;
    this.#context = 0;
  }

  #renewContext(space: AddressSpace): void {
    this.#context = this.#tlb.context(space.tag, space.pcid, levelsOf(this.#state) * 1024 + rootRole(this.#state));
  }

  #catchUp(): void {
    if (this.#state.pkru !== this.#pkru) {
      this.#pkru = this.#state.pkru;
      this.#tlb.forgetAll();
    }
    this.#seen = this.#generation[this.#processor]!;
    const ranges = this.#tables.shootdown.take(this.#processor);
    if (ranges === null) this.#tlb.forgetAll();
    else for (const range of ranges) this.#forget(range);
    this.#leave();
  }

  #forget(range: LinearRange): void {
    let { high, low } = range;
    for (let page = 0; page < range.pages; page++) {
      this.#tlb.forgetPage(high, low);
      low = (low + 0x1000) | 0;
      if ((low & MAP_FRAME) === 0) high = (high + 1) | 0;
    }
  }

  #flushPage(pcid: number, high: number, low: number): void {
    this.#counters.localGvaRangeFlushes++;
    this.#tables.flushPage(pcid, high, low);
    this.#tlb.forgetPage(high, low);
    this.#leave();
  }

  #flushPcid(pcid: number): void {
    this.#counters.addressSpaceFlushes++;
    this.#tables.flushPcid(pcid);
    this.#tlb.forgetPcid(pcid);
    this.#leave();
  }

  #flushEverything(): void {
    this.#counters.addressDomainFlushes++;
    this.#tables.flushAll();
    this.#tlb.forgetAll();
    this.#leave();
  }
}
