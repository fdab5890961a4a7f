import {
  CHILD_SHIFT,
  ENTRIES,
  FILLED_AT,
  GUEST_HIGH,
  GUEST_LOW,
  LARGE,
  LINK,
  NEXT,
  PAGE_WORDS,
  PENDING,
  PREVIOUS,
  STATE,
  TABLE,
  WORDS,
} from "./entry.ts";
import { ROLE_DIRECT, ROLES } from "./role.ts";

/** Marks of a guest frame: it holds a table that is shadowed; a processor's TLB may hold it. */
export const IS_TABLE = 1 << 0;
export const IN_TLB = 1 << 1;

/** In place of the number of an entry or a page. */
export const NONE = -1;
/** Entries are told occupied or not by 32. */
export const GROUPS = ENTRIES / 32;
const FIRST_CAPACITY = 32;
/** A link has 16 bits for the page it leads to. */
const MOST_PAGES = 2 ** 16;
/** Seven are on the way to one address (five levels, pieces of a 1 GiB page); below this, two ways would not fit. */
const FEWEST_PAGES = 16;

/**
 * The shadow pages of a partition, their entries, and two reverse maps: guest frame to the leaves that map it, and shadow
 * page to the links that lead to it. Entries are named by number, shadow page * 512 + index; entry `n` begins at word `8n`.
 *
 * Nothing is forgotten here by itself: a page that no link leads to any more stays, and can be found again, until `reclaim`.
 */
export class ShadowPool {
  /** Pages that there may be at most. */
  readonly budget: number;
  entries = new Int32Array(0);
  /** Serial number of the flush after which the page was last compared with its guest table. */
  validatedAt = new Float64Array(0);
  level = new Uint8Array(0);
  role = new Uint16Array(0);
  /** Guest physical address of the table, or of the entry of a large page whose pieces these are; in units of 8 bytes. */
  source = new Int32Array(0);
  /** Where the source lies: index of a host word. */
  tableWord = new Int32Array(0);
  /** Of pieces, the first guest frame. */
  base = new Int32Array(0);
  /** Links that lead here, and address spaces that begin here. */
  references = new Int32Array(0);
  /** Whether a table has no entries left that could be filled ahead. */
  exhausted = new Uint8Array(0);
  used = 0;
  /** Moves on whenever a link is taken out: a way through shadow pages that was found before may lead elsewhere now. */
  linkChanges = 0;

  /** One bit for each entry that holds something, 16 words a page; and by page, a bit for each of the words that may not be 0. */
  occupied = new Int32Array(0);
  groups = new Uint16Array(0);
  /** By guest frame, the first of the leaves that map it, or NONE. */
  readonly mappers: Int32Array;
  /** By guest frame, how many shadow pages its tables have. */
  readonly shadows: Uint16Array;
  /** By guest frame, `IS_TABLE` and `IN_TLB`: what a fill asks of every frame lies close together. */
  readonly marks: Uint8Array;
  /** Of a 1 GiB page, which of its 2 MiB pieces these are the pieces of. */
  piece = new Int32Array(0);
  /** By page, whether there is one. */
  live = new Uint8Array(0);
  /** By page, the first of the links that lead to it, or NONE. */
  parents = new Int32Array(0);
  /** By 2 MiB of guest frames, how many hold tables that are shadowed. */
  readonly #tableFrames: Uint16Array;
  readonly #serials: { readonly now: number };
  readonly #byKey = new Map<number, number>();
  readonly #free: number[] = [];
  #beforeDrop: (entry: number) => void = () => {};

  /**
   * @param guestFrames frames of the partition
   * @param serials the last serial number of a flush or of a write to a guest table
   */
  constructor(guestFrames: number, budget: number, serials: { readonly now: number }) {
    this.#serials = serials;
    this.budget = Math.max(FEWEST_PAGES, Math.min(budget, MOST_PAGES));
    this.mappers = new Int32Array(guestFrames).fill(NONE);
    this.shadows = new Uint16Array(guestFrames);
    this.marks = new Uint8Array(guestFrames);
    this.#tableFrames = new Uint16Array(guestFrames / ENTRIES);
    this.#grow(Math.min(FIRST_CAPACITY, this.budget));
  }

  /** Serial number of the last flush or write to a guest table: what is made now is younger. */
  get now(): number {
    return this.#serials.now;
  }

  /** Whom to tell of an entry with pending flags that is about to go. */
  beforeDrop(listener: (entry: number) => void): void {
    this.#beforeDrop = listener;
  }

  /** Whether so many more pages can be had without taking any back. */
  hasRoom(pages: number): boolean {
    return this.used + pages <= this.budget;
  }

  /** @param piece of a 1 GiB page, which of its 2 MiB pieces these are the pieces of; else 0. @returns a page, or -1 */
  find(source: number, level: number, role: number, piece: number): number {
    return this.#byKey.get(keyOf(source, level, role, piece)) ?? NONE;
  }

  allocate(source: number, level: number, role: number, piece: number): number {
    if (this.#free.length === 0) this.#grow(Math.min(this.level.length * 2, this.budget));
    const page = this.#free.pop()!;
    this.used++;
    this.live[page] = 1;
    this.source[page] = source;
    this.level[page] = level;
    this.role[page] = role;
    this.piece[page] = piece;
    this.base[page] = 0;
    this.exhausted[page] = 0;
    this.references[page] = 0;
    const frame = source >>> 9;
    if (this.shadows[frame] === 0) {
      this.marks[frame]! |= IS_TABLE;
      this.#tableFrames[frame >>> 9]!++;
    }
    this.shadows[frame]!++;
    this.#byKey.set(keyOf(source, level, role, piece), page);
    return page;
  }

  /** Gives back a page that nothing leads to. */
  release(page: number): void {
    this.dropAll(page);
    this.#byKey.delete(keyOf(this.source[page]!, this.level[page]!, this.role[page]!, this.piece[page]!));
    const frame = this.source[page]! >>> 9;
    this.shadows[frame]! -= 1;
    if (this.shadows[frame] === 0) {
      this.marks[frame]! &= ~IS_TABLE;
      this.#tableFrames[frame >>> 9]! -= 1;
    }
    this.live[page] = 0;
    this.#free.push(page);
    this.used--;
  }

  /** Gives back all pages that nothing leads to, and those that this leaves so. @returns how many */
  reclaim(): number {
    const before = this.used;
    for (let found = true; found; ) {
      found = false;
      for (let page = 0; page < this.level.length; page++)
        if (this.live[page] === 1 && this.references[page] === 0) {
          this.release(page);
          found = true;
        }
    }
    return before - this.used;
  }

  /** Whether a guest frame holds a table that is shadowed. */
  isTable(guestFrame: number): boolean {
    return (this.marks[guestFrame]! & IS_TABLE) !== 0;
  }

  /** Whether one of 512 guest frames, from a multiple of 512 on, holds such a table. */
  anyTable(firstGuestFrame: number): boolean {
    return this.#tableFrames[firstGuestFrame >>> 9] !== 0;
  }

  /** The shadow pages of a guest table frame. */
  shadowsOf(guestFrame: number): number[] {
    const pages: number[] = [];
    if (!this.isTable(guestFrame)) return pages;
    for (let page = 0; page < this.level.length; page++)
      if (this.live[page] === 1 && this.source[page]! >>> 9 === guestFrame) pages.push(page);
    return pages;
  }

  /** Guest physical address of the guest's entry behind an entry. */
  guestEntry(entry: number): number {
    const page = entry >>> 9;
    const index = (this.role[page]! & ROLE_DIRECT) !== 0 ? 0 : entry & (ENTRIES - 1);
    return (this.source[page]! + index) * 8;
  }

  /** Guest frame that a leaf maps; of a large one the first. */
  guestFrame(entry: number): number {
    const page = entry >>> 9;
    const large = this.level[page] === 2;
    if ((this.role[page]! & ROLE_DIRECT) !== 0)
      return this.base[page]! + (entry & (ENTRIES - 1)) * (large ? ENTRIES : 1);
    const frame = this.entries[entry * WORDS + GUEST_LOW]! >>> 12;
    return large ? frame & ~(ENTRIES - 1) : frame;
  }

  /** Sets a leaf where nothing is; all but `LARGE`, which the caller adds. @param guestFrame of a large page the first */
  setLeaf(
    entry: number,
    guestFrame: number,
    translation: number,
    state: number,
    guestLow: number,
    guestHigh: number,
  ): void {
    const { entries } = this;
    const at = entry * WORDS;
    entries[at] = translation;
    entries[at + STATE] = state | (this.isTable(guestFrame) ? TABLE : 0);
    entries[at + GUEST_LOW] = guestLow;
    entries[at + GUEST_HIGH] = guestHigh;
    entries[at + FILLED_AT] = this.now | 0;
    this.#occupy(entry);
    this.#insert(this.mappers, guestFrame, entry);
  }

  /** Sets a link where nothing is. */
  setLink(entry: number, child: number): void {
    const { entries } = this;
    const at = entry * WORDS;
    entries[at + STATE] = LINK | (child << CHILD_SHIFT);
    entries[at + FILLED_AT] = this.now | 0;
    this.references[child]!++;
    this.#occupy(entry);
    this.#insert(this.parents, child, entry);
  }

  /** Takes out what is there, if anything is. */
  drop(entry: number): void {
    const at = entry * WORDS;
    const state = this.entries[at + STATE]!;
    if ((state & PENDING) !== 0) this.#beforeDrop(entry);
    if ((state & LINK) !== 0) {
      const child = state >>> CHILD_SHIFT;
      this.references[child]!--;
      this.linkChanges = (this.linkChanges + 1) | 0;
      this.#remove(this.parents, child, entry);
    } else if (this.entries[at] !== 0) this.#remove(this.mappers, this.guestFrame(entry), entry);
    this.occupied[entry >>> 5]! &= ~(1 << (entry & 31));
    this.exhausted[entry >>> 9] = 0;
    this.entries[at] = 0;
    this.entries[at + STATE] = 0;
  }

  dropAll(page: number): void {
    for (let group = page * GROUPS; group < (page + 1) * GROUPS; group++)
      for (let left = this.occupied[group]!; left !== 0; left &= left - 1)
        this.drop(group * 32 + 31 - Math.clz32(left & -left));
  }

  /** Takes out all links to a page. */
  unlink(page: number): void {
    while (this.parents[page] !== NONE) this.drop(this.parents[page]!);
  }

  /** Takes out every leaf through which this guest frame can be reached, pieces of large ones included. */
  dropMappers(guestFrame: number): void {
    while (this.mappers[guestFrame] !== NONE) this.drop(this.mappers[guestFrame]!);
    for (let entry = this.mappers[guestFrame & ~(ENTRIES - 1)]!; entry !== NONE; ) {
      const next = this.entries[entry * WORDS + NEXT]!;
      if ((this.entries[entry * WORDS + STATE]! & LARGE) !== 0) this.drop(entry);
      entry = next;
    }
  }

  /** Marks every leaf through which this guest frame can be reached as one to a table. */
  markMappers(guestFrame: number): void {
    for (let entry = this.mappers[guestFrame]!; entry !== NONE; entry = this.entries[entry * WORDS + NEXT]!)
      this.entries[entry * WORDS + STATE]! |= TABLE;
    for (
      let entry = this.mappers[guestFrame & ~(ENTRIES - 1)]!;
      entry !== NONE;
      entry = this.entries[entry * WORDS + NEXT]!
    )
      if ((this.entries[entry * WORDS + STATE]! & LARGE) !== 0) this.entries[entry * WORDS + STATE]! |= TABLE;
  }

  #occupy(entry: number): void {
    this.occupied[entry >>> 5]! |= 1 << (entry & 31);
    this.groups[entry >>> 9]! |= 1 << ((entry >>> 5) & (GROUPS - 1));
  }

  #insert(heads: Int32Array, of: number, entry: number): void {
    const first = heads[of]!;
    const { entries } = this;
    entries[entry * WORDS + NEXT] = first;
    entries[entry * WORDS + PREVIOUS] = NONE;
    if (first !== NONE) entries[first * WORDS + PREVIOUS] = entry;
    heads[of] = entry;
  }

  #remove(heads: Int32Array, of: number, entry: number): void {
    const next = this.entries[entry * WORDS + NEXT]!;
    const previous = this.entries[entry * WORDS + PREVIOUS]!;
    if (previous === NONE) heads[of] = next;
    else this.entries[previous * WORDS + NEXT] = next;
    if (next !== NONE) this.entries[next * WORDS + PREVIOUS] = previous;
  }

  #grow(capacity: number): void {
    const before = this.level.length;
    this.entries = grown(this.entries, new Int32Array(capacity * PAGE_WORDS));
    this.occupied = grown(this.occupied, new Int32Array(capacity * GROUPS));
    this.groups = grown(this.groups, new Uint16Array(capacity));
    this.validatedAt = grown(this.validatedAt, new Float64Array(capacity));
    this.level = grown(this.level, new Uint8Array(capacity));
    this.role = grown(this.role, new Uint16Array(capacity));
    this.source = grown(this.source, new Int32Array(capacity));
    this.tableWord = grown(this.tableWord, new Int32Array(capacity));
    this.exhausted = grown(this.exhausted, new Uint8Array(capacity));
    this.base = grown(this.base, new Int32Array(capacity));
    this.references = grown(this.references, new Int32Array(capacity));
    this.piece = grown(this.piece, new Int32Array(capacity));
    this.live = grown(this.live, new Uint8Array(capacity));
    this.parents = grown(this.parents, new Int32Array(capacity).fill(NONE));
    for (let page = capacity - 1; page >= before; page--) this.#free.push(page);
  }
}

/** 29 bits of source, 3 of level, 9 of role, 9 of piece: a number that a double holds exactly. */
function keyOf(source: number, level: number, role: number, piece: number): number {
  return ((source * 8 + level) * ROLES + role) * ENTRIES + piece;
}

function grown<Words extends Int32Array | Float64Array | Uint8Array | Uint16Array>(old: Words, fresh: Words): Words {
  fresh.set(old);
  return fresh;
}
