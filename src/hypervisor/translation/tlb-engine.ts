import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_IMPLICIT,
  ACCESS_USER,
  ACCESS_WRITE,
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
import { MAP_FRAME } from "../frame-map.ts";
import type { Refusal, TranslationEngine } from "./engine.ts";
import { type FlatWalk, UNCOMMON } from "./flat-walk.ts";
import { StructureCache } from "./structure-cache.ts";
import { addressTag, NO_SPACE, slotPlace, Tlb } from "./tlb.ts";
import { WalkEngine, type WalkEngineOptions } from "./walk-engine.ts";

// As in flat-walk.ts: what a hit needs are constants and functions of this file alone, which V8 folds and inlines.
const NONE = UNCOMMON;
const FRAME = MAP_FRAME;
const LARGE = ENTRY_LARGE;
const WITHOUT_AC = ~ACCESS_AC;
const placeOf = slotPlace;
const tagOf = addressTag;

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
export class TlbEngine implements TranslationEngine {
  readonly #state: Readonly<PagingState>;
  readonly #walk: WalkEngine;
  readonly #flat: FlatWalk;
  readonly #tlb = new Tlb();
  readonly #words = this.#tlb.words;
  readonly #structures = new StructureCache();
  /** The tag that accesses look for at first: of the active space; of none where each access has to be looked at. */
  #wanted = 0;
  /** Tags of the space that is active, and of global pages. */
  #space = 0;
  #global = 0;
  /** CR4.PGE makes this ENTRY_GLOBAL. */
  #globalBit = 0;
  /** PKRU when what is cached of keyed accesses was permitted. */
  #pkru = 0;
  /** CR4.PKE: PKRU may have changed since the last access. */
  #keyed = false;
  /** CR4.SMAP: RFLAGS.AC makes a difference. */
  #barred = false;
  #smallPageFills = 0;
  #largePageFills = 0;
  #switches = 0;
  #domainFlushes = 0;
  #spaceFlushes = 0;
  #pageFlushes = 0;

  constructor(options: WalkEngineOptions) {
    this.#state = options.state;
    this.#walk = new WalkEngine(options);
    this.#flat = this.#walk.flat;
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

  translate(high: number, low: number, access: number): number {
    const words = this.#words;
    // The kinds' numbers are such that an access finds its own by its lowest bits; see kindOf.
    const place = placeOf(low, access);
    if (words[place] === (tagOf(high, low) | this.#wanted) && (high << 16) >> 16 === high)
      return (words[place + 1]! | (low & 0xfff)) >>> 0;
    return this.#second(high, low, access);
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
    if (loaded && !keep) this.#flushSpace(this.#pcid());
  }

  invalidatePage(high: number, low: number): void {
    this.#pageFlushes++;
    this.#tlb.flushAddress(high, low);
    this.#structures.flush(this.#pcid());
    this.#takeTags();
  }

  invalidatePcid(type: 0 | 1 | 2 | 3, pcid: number, high: number, low: number): void {
    if (type === 0) {
      this.#pageFlushes++;
      this.#tlb.flushAddress(high, low);
      this.#structures.flush(pcid);
    } else if (type === 1) {
      this.#flushSpace(pcid);
    } else if (type === 2) {
      this.#flushAll();
    } else {
      this.#domainFlushes++;
      this.#tlb.flushAllButGlobal();
      this.#structures.flushAll();
    }
    this.#takeTags();
  }

  guestMapChanged(): void {
    this.#walk.guestMapChanged();
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

  /** No hit in the slots of this space: global pages, keyed accesses, and what has to be walked. */
  #second(high: number, low: number, access: number): number {
    // A tag has 48 bits of an address. What needs more (five levels) is not cached; what is no address is not found.
    if ((high << 16) >> 16 !== high) return this.#walk.translate(high, low, access);
    if (this.#keyed && this.#pkru !== this.#state.pkru) this.#takeKeys();
    const place = placeOf(low, this.#barred ? kindOf(access) : kindOf(access & WITHOUT_AC));
    const tag = this.#words[place]!;
    const address = tagOf(high, low);
    if (tag === (address | this.#global) || tag === (address | this.#space))
      return (this.#words[place + 1]! | (low & 0xfff)) >>> 0;
    return this.#fill(high, low, access, place);
  }

  #fill(high: number, low: number, access: number, place: number): number {
    const flat = this.#flat;
    let mapped = this.#structures.walk(flat, high, low, access, NONE);
    if (mapped === NONE) {
      mapped = flat.walk(high, low, access);
      if (mapped === NONE) return this.#fillUncommon(high, low, access, place);
      if ((flat.leaf & LARGE) === 0) this.#structures.fill(flat, high, low);
    }
    if ((flat.leaf & LARGE) === 0) this.#smallPageFills++;
    else this.#countLarge(high, low, false);
    this.#words[place] = tagOf(high, low) | ((flat.leaf & this.#globalBit) !== 0 ? this.#global : this.#space);
    this.#words[place + 1] = mapped & FRAME;
    return ((mapped & FRAME) | (low & 0xfff)) >>> 0;
  }

  #fillUncommon(high: number, low: number, access: number, place: number): number {
    const walk = this.#walk;
    const at = walk.walk(high, low, access);
    if (at < 0) {
      this.#tlb.flushAddress(high, low);
      this.#structures.flush(this.#pcid());
      this.#takeTags();
      return -1;
    }
    if (walk.pageShift === 12) this.#smallPageFills++;
    else this.#countLarge(high, low, walk.pageShift === 30);
    this.#words[place] = tagOf(high, low) | (walk.global ? this.#global : this.#space);
    this.#words[place + 1] = at & FRAME;
    return at;
  }

  #countLarge(high: number, low: number, gigabyte: boolean): void {
    this.#largePageFills++;
    this.#tlb.markLarge(high, low, gigabyte);
  }

  #flushAll(): void {
    this.#domainFlushes++;
    this.#tlb.flushAll();
    this.#structures.flushAll();
    this.#takeTags();
  }

  #flushSpace(pcid: number): void {
    this.#spaceFlushes++;
    this.#tlb.flushSpace(pcid);
    this.#structures.flush(pcid);
    this.#takeTags();
  }

  #takeControl(): void {
    const { cr4 } = this.#state;
    this.#walk.controlChanged();
    this.#globalBit = (cr4 & CR4_PGE) !== 0 ? ENTRY_GLOBAL : 0;
    this.#keyed = (cr4 & CR4_PKE) !== 0;
    this.#barred = (cr4 & CR4_SMAP) !== 0;
    this.#tlb.switchTo(this.#pcid());
    this.#structures.switchTo(this.#pcid());
    this.#takeTags();
  }

  /** What was permitted by other protection-key rights is forgotten. PKRU is written without anybody being told. */
  #takeKeys(): void {
    this.#pkru = this.#state.pkru;
    this.#flushAll();
  }

  #takeTags(): void {
    this.#space = this.#tlb.space;
    this.#global = this.#tlb.global;
    this.#wanted = this.#keyed ? NO_SPACE : this.#space;
  }

  #pcid(): number {
    return (this.#state.cr4 & CR4_PCIDE) !== 0 ? this.#state.cr3 & 0xfff : 0;
  }
}

/**
 * Accesses of one kind are permitted by the same rights, whatever a page allows: writes (1), by the user (2), fetches (4),
 * as the bits of an access say, and as 5 and 7, which no access has, the supervisor's reads and writes with RFLAGS.AC.
 * Whoever forgets about AC finds the slots of accesses without it, which are permitted no more. An implicit access is the
 * supervisor's without AC; by its bits it finds nothing.
 */
function kindOf(access: number): number {
  const write = access & ACCESS_WRITE;
  const fetch = access & ACCESS_FETCH;
  if ((access & ACCESS_IMPLICIT) !== 0) return fetch | write;
  if ((access & ACCESS_USER) !== 0 || fetch !== 0 || (access & ACCESS_AC) === 0)
    return access & (ACCESS_WRITE | ACCESS_USER | ACCESS_FETCH);
  return write === 0 ? 5 : 7;
}
