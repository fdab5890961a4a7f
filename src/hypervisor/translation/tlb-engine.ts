import {
  CR0_PG,
  CR0_WP,
  CR4_LA57,
  CR4_PAE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PKE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_LME,
  EFER_NXE,
  ENTRY_GLOBAL,
  ENTRY_LARGE,
  type PagingState,
} from "../../paging/index.ts";
import { HOLE, MAP_FRAME } from "../frame-map.ts";
import { LargePages } from "../large-pages/index.ts";
import type { Refusal, TranslationEngine } from "./engine.ts";
import { type FlatWalk, UNCOMMON } from "./flat-walk.ts";
import { FLUSH_ALL, FLUSH_NON_GLOBAL, FLUSH_PCID, FlushJournal, type FlushScope } from "./flush-journal.ts";
import { CachingEngine, emptyPhysicalTlb, type TlbContext } from "./physical-tlb.ts";
import { SpaceTags } from "./space-tags.ts";
import { StructureCache } from "./structure-cache.ts";
import { WalkEngine, type WalkEngineOptions } from "./walk-engine.ts";

// As in flat-walk.ts: constants of this file alone, which V8 folds.
const NONE = UNCOMMON;
const FRAME = MAP_FRAME;
const LARGE = ENTRY_LARGE;

/** Numbers of address spaces: so many that they begin anew only in theory. */
const SPACE_BITS = 30;
const LARGE_PAGE = ~0x1f_ffff;
/** Who has an engine of its own names nobody in its journal. */
const EVERYONE = -1;

/** A change of these changes what is permitted, or what an address means. */
const DEEP_CR0 = CR0_PG | CR0_WP;
const DEEP_CR4 = CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE;
const DEEP_EFER = EFER_LME | EFER_NXE;

/**
 * The walk behind a tagged TLB and a cache of directory entries (paging.md A2, rules 10 to 16).
 *
 * Nothing is remembered that was refused, so a right that was added needs no flush; every refusal comes from a full walk and
 * drops what was cached of its address. A write has slots of its own, filled by a walk that sets the dirty flag: one
 * cached by a read never serves it. Where the processor may flush more than it must, this does: whatever changes the meaning
 * of rights flushes everything, and so does a change of the partition's map.
 */
export class TlbEngine extends CachingEngine implements TranslationEngine {
  readonly #state: Readonly<PagingState>;
  readonly #walk: WalkEngine;
  readonly #flat: FlatWalk;
  readonly #structures = new StructureCache();
  readonly #largePages: LargePages;
  readonly #spaces = new SpaceTags(SPACE_BITS, emptyPhysicalTlb);
  readonly journal = new FlushJournal(this.#spaces);
  /** CR4.PGE makes this ENTRY_GLOBAL. */
  #globalBit = 0;
  /** PKRU when what is cached of keyed accesses was permitted. */
  #pkru = 0;
  /** CR4.PKE: PKRU may have changed since the last access. */
  #keyed = false;
  #smallPageFills = 0;
  #largePageFills = 0;
  #switches = 0;
  #domainFlushes = 0;
  #spaceFlushes = 0;
  #pageFlushes = 0;

  constructor(options: WalkEngineOptions) {
    super();
    this.#state = options.state;
    this.#walk = new WalkEngine(options);
    this.#flat = this.#walk.flat;
    this.#largePages = new LargePages(options.frames.map);
    this.#takeControl();
  }

  get refusal(): Refusal {
    return this.#walk.refusal;
  }

  get errorCode(): number {
    return this.#walk.errorCode;
  }

  get guestPhysicalAddress(): number {
    return this.#walk.guestPhysicalAddress;
  }

  controlChanged(previous: Readonly<PagingState>, keep: boolean): void {
    const { cr0, cr3, cr4, efer } = this.#state;
    const cr0Changes = cr0 ^ previous.cr0;
    const cr4Changes = cr4 ^ previous.cr4;
    const eferChanges = efer ^ previous.efer;
    this.#takeControl();
    if (cr3 !== previous.cr3) this.#switches++;
    if ((cr0Changes & DEEP_CR0) !== 0 || (cr4Changes & DEEP_CR4) !== 0 || (eferChanges & DEEP_EFER) !== 0) {
      this.#flushAll();
      return;
    }
    // Where nothing changed, CR3 was loaded with what it held.
    const loaded = cr3 !== previous.cr3 || (cr0Changes | cr4Changes | eferChanges) === 0;
    // Another space under the same identifier cannot be told from the one before, whatever is to be kept.
    const indistinct = cr3 !== previous.cr3 && pcidOf(previous) === this.#pcid();
    if (loaded && (!keep || indistinct)) this.#flushSpace(this.#pcid());
  }

  invalidatePage(_high: number, low: number): void {
    this.#pageFlushes++;
    this.dropAddress(low);
    this.#structures.flush(this.#pcid());
    this.#takeSpace();
  }

  invalidatePcid(type: 0 | 1 | 2 | 3, pcid: number, _high: number, low: number): void {
    if (type === 0) {
      this.#pageFlushes++;
      this.dropAddress(low);
      this.#structures.flush(pcid);
    } else if (type === 1) {
      this.#flushSpace(pcid);
    } else if (type === 2) {
      this.#flushAll();
    } else {
      this.#domainFlushes++;
      this.#record(FLUSH_NON_GLOBAL, 0);
      this.#spaces.flushAllButGlobal();
      this.#structures.flushAll();
    }
    this.#takeSpace();
  }

  guestMapChanged(firstPage: number, pageCount: number): void {
    this.#walk.guestMapChanged();
    this.#largePages.mapChanged(firstPage, pageCount);
    this.#flushAll();
  }

  /** The walks that fill the TLB set flags as they go: none is ever owed. */
  synchronizeFlags(): void {}

  counters(): Readonly<Record<string, number>> {
    return {
      smallPageTlbFills: this.#smallPageFills,
      largePageTlbFills: this.#largePageFills,
      addressSpaceSwitches: this.#switches,
      addressDomainFlushes: this.#domainFlushes,
      addressSpaceFlushes: this.#spaceFlushes,
      localGvaRangeFlushes: this.#pageFlushes,
    };
  }

  /** What was permitted by other protection-key rights is forgotten. PKRU is written without anybody being told. */
  protected override catchUp(): void {
    if (!this.#keyed || this.#pkru === this.#state.pkru) return;
    this.#pkru = this.#state.pkru;
    this.#flushAll();
  }

  protected override miss(high: number, low: number, access: number): number {
    const flat = this.#flat;
    // What needs more than 48 bits (five levels) the directory cache cannot tell apart.
    const isShort = (high << 16) >> 16 === high;
    let mapped = isShort ? this.#structures.walk(flat, high, low, access, NONE) : NONE;
    if (mapped === NONE) {
      mapped = flat.walk(high, low, access);
      if (mapped === NONE) return this.#missUncommon(high, low, access);
      if (isShort && (flat.leaf & LARGE) === 0) this.#structures.fill(flat, high, low);
    }
    const address = ((mapped & FRAME) | (low & 0xfff)) >>> 0;
    const global = (flat.leaf & this.#globalBit) !== 0;
    if ((flat.leaf & LARGE) !== 0) this.#rememberPiece(high, low, access, address, global);
    else {
      this.#smallPageFills++;
      this.rememberSmall(high, low, access, address, global);
    }
    return address;
  }

  /** Of a large page of the guest, all where the host has it in one piece too; else the page of 4 KiB. */
  #rememberPiece(high: number, low: number, access: number, address: number, global: boolean): void {
    this.#largePageFills++;
    if (this.#largePages.backing((this.#flat.leaf & LARGE_PAGE) >>> 12) !== HOLE) {
      this.rememberLarge(high, low, access, address, global);
      return;
    }
    this.markPiece(low, false);
    this.rememberSmall(high, low, access, address, global);
  }

  #missUncommon(high: number, low: number, access: number): number {
    const walk = this.#walk;
    const address = walk.walk(high, low, access);
    if (address < 0) {
      this.dropAddress(low);
      this.#structures.flush(this.#pcid());
      this.#takeSpace();
      return -1;
    }
    if (walk.pageShift === 12) this.#smallPageFills++;
    else {
      this.#largePageFills++;
      this.markPiece(low, walk.pageShift === 30);
    }
    this.rememberSmall(high, low, access, address, walk.global);
    return address;
  }

  /** Which identifier's a name is, is known; which CR3 it belongs to is the guest's to say. */
  override contexts(): readonly TlbContext[] {
    const { cr3 } = this.#state;
    const active = this.#pcid();
    return this.#spaces.inUse().map(({ tag: number, pcid, bornAt }) => {
      const tag = pcid === active ? cr3 : 0;
      return { number, tag, pcid, control: -1, bornAt, since: 0 };
    });
  }

  #record(scope: FlushScope, of: number): void {
    this.journal.record(scope, of, 0, 0, 0, EVERYONE, EVERYONE);
  }

  #flushAll(): void {
    this.#domainFlushes++;
    this.#record(FLUSH_ALL, 0);
    this.#spaces.flushAll();
    this.#structures.flushAll();
    this.#takeSpace();
  }

  #flushSpace(pcid: number): void {
    this.#spaceFlushes++;
    this.#record(FLUSH_PCID, pcid);
    this.#spaces.flush(pcid);
    this.#structures.flush(pcid);
    this.#takeSpace();
  }

  #takeControl(): void {
    const { cr4 } = this.#state;
    this.#walk.controlChanged();
    this.#globalBit = (cr4 & CR4_PGE) !== 0 ? ENTRY_GLOBAL : 0;
    this.#keyed = (cr4 & CR4_PKE) !== 0;
    this.letHit(!this.#keyed);
    this.#structures.switchTo(this.#pcid());
    this.#takeSpace();
  }

  #takeSpace(): void {
    this.useSpace(this.#spaces.tagOf(this.#pcid()), this.#spaces.globalTag());
  }

  #pcid(): number {
    return pcidOf(this.#state);
  }
}

function pcidOf({ cr3, cr4 }: Readonly<PagingState>): number {
  return (cr4 & CR4_PCIDE) !== 0 ? cr3 & 0xfff : 0;
}
