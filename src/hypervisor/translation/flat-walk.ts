import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_IMPLICIT,
  ACCESS_USER,
  ACCESS_WRITE,
  CR0_WP,
  CR4_LA57,
  CR4_PKE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_NXE,
  ENTRY_ACCESSED,
  ENTRY_DIRTY,
  ENTRY_LARGE,
  ENTRY_NO_EXECUTE_HIGH,
  ENTRY_PRESENT,
  ENTRY_USER,
  ENTRY_WRITABLE,
  type PagingState,
} from "../../paging/index.ts";
import { type GuestFrames, HOLE, MAP_EXECUTE, MAP_FRAME, MAP_READ, MAP_WRITE } from "../frame-map.ts";

/** The walk is not the common case: ask the page walker. No frame's address has all bits set. */
export const UNCOMMON = -1;

/** All combinations of `ACCESS_…` bits, and the four words that each has in the table of rules. */
export const ACCESSES = 32;
export const RULE_WORDS = 4;

// V8 reads an imported constant, and one of this file that is exported, from a cell at every use, and checks it; one of
// this file alone it folds. It makes a third of the walk's time, so the walk has names of its own for what it uses.
const NONE = UNCOMMON;
const FRAME = MAP_FRAME;
const READ = MAP_READ;
const LARGE = ENTRY_LARGE;
const DIRTY = ENTRY_DIRTY;
const KIND = ACCESSES - 1;
const WORDS_OF_RULE = RULE_WORDS;

/** In place of an index of a word. */
const NOWHERE = -1;

const TOUCHED = ENTRY_PRESENT | ENTRY_ACCESSED;
const PLAIN = TOUCHED | ENTRY_WRITABLE | ENTRY_USER;
/** Bits 20:13 of an entry for 2 MiB are reserved; bit 12 is PAT. */
const LARGE_RESERVED = 0x001f_e000;
const LARGE_FRAME = ~0x1f_ffff;
const PAGE_IN_LARGE = 0x001f_f000;
/** Bits 51:32 of a physical address: no host has so much memory, so the page walker is to say what they mean. */
const HIGH_ADDRESS = 0xf_ffff;

/**
 * The common walk, fast: every entry present and accessed, written pages dirty, nothing reserved, the rights in order, all
 * tables and the page mapped for the guest, pages of 4 KiB or 2 MiB. Anything else is UNCOMMON, and the page walker of
 * `paging`, which has all the rules, is asked instead. So nothing here faults and nothing is written. What must hold: it
 * accepts nothing that the page walker would refuse or would set a flag for, and finds the same address.
 *
 * It is ugly because it is asked at every access. A level is three loads (two halves of the entry, one entry of the
 * map) and no branch: what an entry says is gathered with AND and OR, garbage is walked through to the end (every index stays
 * in its array whatever the words hold), and a few comparisons with masks, made when a control register changed, decide.
 */
export class FlatWalk {
  /**
   * The leaf's lower half after a common walk. Its PS bit says whether the page has 2 MiB; in a page-table entry, where the
   * same bit is PAT, it is cleared.
   */
  leaf = 0;
  /** After a common walk to a page of 4 KiB: where the page table lies (index of a host word), and what leads to it. */
  table = 0;
  allowed = 0;
  forbidden = 0;

  /** Per access: bits of the lower halves that decide, what they must be, bits no upper half may have, right in the map. */
  readonly rules = new Int32Array(ACCESSES * RULE_WORDS);

  readonly #words: Int32Array;
  readonly #map: Int32Array;
  /** Of what the rules were made: of CR3, which changes most, they know nothing. */
  #cr0 = -1;
  #cr4 = -1;
  #efer = -1;
  #rootFrame = 0;
  /** Where the topmost table lies: index of a host word, or NOWHERE. */
  #root = NOWHERE;
  #levels = 4;

  constructor(frames: GuestFrames) {
    this.#words = frames.words;
    this.#map = frames.map;
  }

  /** Takes over the control registers. */
  setControl(state: Readonly<PagingState>): void {
    this.#levels = (state.cr4 & CR4_LA57) !== 0 ? 5 : 4;
    this.#rootFrame = Math.floor(state.cr3 / 4096);
    this.mapChanged();
    if (this.#cr0 === state.cr0 && this.#cr4 === state.cr4 && this.#efer === state.efer) return;
    this.#cr0 = state.cr0;
    this.#cr4 = state.cr4;
    this.#efer = state.efer;
    for (let access = 0; access < ACCESSES; access++) this.rules.set(rulesOf(state, access), access * RULE_WORDS);
  }

  mapChanged(): void {
    const mapped = this.#map[this.#rootFrame] ?? HOLE;
    this.#root = (mapped & MAP_READ) === 0 ? NOWHERE : (mapped & MAP_FRAME) >>> 2;
  }

  /** @returns the map's entry of the page's frame, which is the host's byte address of the page and rights; or UNCOMMON */
  walk(high: number, low: number, access: number): number {
    const table4 = this.#levels === 4 && (high << 16) >> 16 === high ? this.#root : this.#fifth(high);
    if (table4 === NOWHERE) return NONE;
    const words = this.#words;
    const map = this.#map;
    let at = table4 + ((high >>> 6) & 0x3fe);
    let entry = words[at]!;
    let forbidden = words[at + 1]!;
    let allowed = entry;
    let large = entry;
    let mapped = map[entry >>> 12]!;
    let rights = mapped;

    at = ((mapped & FRAME) >>> 2) + (((high << 3) | (low >>> 29)) & 0x3fe);
    entry = words[at]!;
    forbidden |= words[at + 1]!;
    allowed &= entry;
    large |= entry;
    mapped = map[entry >>> 12]!;
    rights &= mapped;

    at = ((mapped & FRAME) >>> 2) + ((low >>> 20) & 0x3fe);
    entry = words[at]!;
    forbidden |= words[at + 1]!;
    if (((large & LARGE) | (~rights & READ)) !== 0) return NONE;
    if ((entry & LARGE) !== 0) return this.#largeLeaf(entry, allowed, forbidden, low, access);
    allowed &= entry;
    mapped = map[entry >>> 12]!;
    if ((mapped & READ) === 0) return NONE;
    const table = (mapped & FRAME) >>> 2;
    this.table = table;
    this.allowed = allowed;
    this.forbidden = forbidden;
    return this.walkTable(table, allowed, forbidden, low, access);
  }

  /** The last step of a walk, from a page table that was found before. */
  walkTable(table: number, allowed: number, forbidden: number, low: number, access: number): number {
    const at = table + ((low >>> 11) & 0x3fe);
    const entry = this.#words[at]!;
    const rules = this.rules;
    const rule = (access & KIND) * WORDS_OF_RULE;
    if ((entry & (allowed | DIRTY) & rules[rule]!) !== rules[rule + 1]!) return NONE;
    if (((forbidden | this.#words[at + 1]!) & rules[rule + 2]!) !== 0) return NONE;
    const mapped = this.#map[entry >>> 12]!;
    if ((mapped & rules[rule + 3]!) === 0) return NONE;
    this.leaf = entry & ~LARGE;
    return mapped;
  }

  /**
   * Of an address of five levels, where the table of level 4 lies. There are few entries of level 5, and systems take nothing
   * away in them: only a plain one is common. NOWHERE too for what is no canonical address.
   */
  #fifth(high: number): number {
    if (this.#levels === 4 || this.#root === NOWHERE || (high << 7) >> 7 !== high) return NOWHERE;
    const at = this.#root + ((high >>> 15) & 0x3fe);
    const entry = this.#words[at]!;
    if ((entry & (PLAIN | LARGE)) !== PLAIN || this.#words[at + 1] !== 0) return NOWHERE;
    const mapped = this.#map[entry >>> 12]!;
    return (mapped & READ) === 0 ? NOWHERE : (mapped & FRAME) >>> 2;
  }

  #largeLeaf(entry: number, allowed: number, forbidden: number, low: number, access: number): number {
    const rules = this.rules;
    const rule = (access & KIND) * WORDS_OF_RULE;
    if ((entry & (allowed | DIRTY) & rules[rule]!) !== rules[rule + 1]!) return NONE;
    if ((forbidden & rules[rule + 2]!) !== 0 || (entry & LARGE_RESERVED) !== 0) return NONE;
    const mapped = this.#map[((entry & LARGE_FRAME) | (low & PAGE_IN_LARGE)) >>> 12]!;
    if ((mapped & rules[rule + 3]!) === 0) return NONE;
    this.leaf = entry;
    return mapped;
  }
}

function rulesOf(state: Readonly<PagingState>, access: number): [number, number, number, number] {
  const { cr0, cr4, efer } = state;
  const write = (access & ACCESS_WRITE) !== 0;
  const fetch = (access & ACCESS_FETCH) !== 0;
  const user = (access & (ACCESS_USER | ACCESS_IMPLICIT)) === ACCESS_USER;
  const mustBeWritable = write && (user || (cr0 & CR0_WP) !== 0);
  // Protection keys are looked at by the page walker: where they are on, no data of a user page is common.
  const keyed = !fetch && (cr4 & CR4_PKE) !== 0;
  const noUserPage = keyed || (!user && supervisorIsBarred(cr4, access, fetch));

  const must = TOUCHED | (write ? ENTRY_DIRTY : 0) | (mustBeWritable ? ENTRY_WRITABLE : 0) | (user ? ENTRY_USER : 0);
  const mask = must | (noUserPage ? ENTRY_USER : 0);
  // Fetch and write at once is no access; a user's to keyed pages can never be common: no masked word has all bits set.
  const never = (fetch && write) || (user && keyed);
  const reserved = (efer & EFER_NXE) !== 0 ? 0 : ENTRY_NO_EXECUTE_HIGH;
  const barred = HIGH_ADDRESS | reserved | (fetch ? ENTRY_NO_EXECUTE_HIGH : 0);
  return [mask, never ? -1 : must, barred, fetch ? MAP_EXECUTE : write ? MAP_WRITE : MAP_READ];
}

/** SMEP for fetches, SMAP for data. */
function supervisorIsBarred(cr4: number, access: number, fetch: boolean): boolean {
  if (fetch) return (cr4 & CR4_SMEP) !== 0;
  return (cr4 & CR4_SMAP) !== 0 && (access & (ACCESS_AC | ACCESS_IMPLICIT)) !== ACCESS_AC;
}
