import { hex } from "../../binary/index.ts";
import { ENTRY_LARGE } from "../../paging/index.ts";
import { PARTITION_WORDS, type PartitionState, wordAt, wordsOf } from "../state/index.ts";
import { CHILD_SHIFT, LINK } from "../translation/shadow/entry.ts";
import { ROLE_DIRECT } from "../translation/shadow/role.ts";

const ENTRY = PARTITION_WORDS.shadowEntries;
export const ROW_WORDS = wordsOf(ENTRY);
export const NUMBER = wordAt(ENTRY, "number");
export const TRANSLATION = wordAt(ENTRY, "translation");
export const STATE = wordAt(ENTRY, "state");
export const GUEST_LOW = wordAt(ENTRY, "guestLow");
export const GUEST_HIGH = wordAt(ENTRY, "guestHigh");
export const NEXT = wordAt(ENTRY, "next");
export const PREVIOUS = wordAt(ENTRY, "previous");
export const FILLED_AT = wordAt(ENTRY, "filledAt");

export const ENTRIES = 512;
export const NONE = -1;

export type ShadowPage = PartitionState["shadowPages"][number];

/** Where an entry stands for the guest. */
export interface LinearPlace {
  readonly addressSpace: string;
  readonly linearAddress: string;
}

/** A partition's shadow pages and entries as they lie in the state, found by their numbers. */
export class ShadowRows {
  readonly state: PartitionState;
  readonly words: Int32Array;
  readonly #pages: (ShadowPage | undefined)[] = [];
  /** By entry number, where its row begins; NONE where nothing is occupied. */
  readonly #rowOf: Int32Array;

  constructor(state: PartitionState) {
    this.state = state;
    this.words = state.shadowEntries;
    for (const page of state.shadowPages) this.#pages[page.page] = page;
    this.#rowOf = new Int32Array(this.#pages.length * ENTRIES).fill(NONE);
    for (let row = 0; row < this.words.length; row += ROW_WORDS) this.#rowOf[this.words[row + NUMBER]! >>> 0] = row;
  }

  page(number: number): ShadowPage | undefined {
    return this.#pages[number];
  }

  /** Where the row of an entry begins; NONE where there is nothing. */
  row(entry: number): number {
    return this.#rowOf[entry] ?? NONE;
  }

  isLink(row: number): boolean {
    return (this.words[row + STATE]! & LINK) !== 0;
  }

  child(row: number): number {
    return this.words[row + STATE]! >>> CHILD_SHIFT;
  }

  /** Serial number of the last flush before the entry was made or last compared with its guest table. */
  confirmedAt(row: number, page: ShadowPage): number {
    const { serial } = this.state.partition[0]!;
    const filledAt = serial - (((serial | 0) - this.words[row + FILLED_AT]!) >>> 0);
    return Math.max(filledAt, page.validatedAt);
  }

  /** Index in the guest's table of the entry that a shadow entry is made of; of pieces, all are made of the same. */
  guestIndex(row: number, page: ShadowPage): number {
    const own = (page.role & ROLE_DIRECT) !== 0 ? 0 : this.words[row + NUMBER]! & (ENTRIES - 1);
    return (page.source + own) & (ENTRIES - 1);
  }

  /** Guest frame that a leaf maps by what was read; of a large one the first. */
  guestFrame(row: number, page: ShadowPage): number {
    const index = this.words[row + NUMBER]! & (ENTRIES - 1);
    if ((page.role & ROLE_DIRECT) !== 0) return page.base + (page.level === 2 ? index * ENTRIES : index);
    const frame = this.words[row + GUEST_LOW]! >>> 12;
    return page.level === 2 ? frame - (frame % ENTRIES) : frame;
  }

  /** Whether what was read at an entry maps a large page: then a link leads to pieces of it. */
  isLargeInGuest(row: number, page: ShadowPage): boolean {
    return page.level > 1 && (this.words[row + GUEST_LOW]! & ENTRY_LARGE) !== 0;
  }

  /** A linear address and an address space that lead to an entry; null where nothing leads there. */
  place(entry: number): LinearPlace | null {
    return this.#climb(entry >>> 9, BigInt(entry & (ENTRIES - 1)));
  }

  /** @param indexes of the ways below, 9 bits each, from the page's level down to where it began */
  #climb(number: number, indexes: bigint, levels = 0): LinearPlace | null {
    const page = this.#pages[number];
    if (page === undefined) return null;
    const root = this.state.roots.find((candidate) => candidate.page === number);
    if (root !== undefined) {
      const width = root.levels * 9 + 12;
      const linear = indexes << BigInt(12 + 9 * (root.levels - levels - 1));
      const address = BigInt.asUintN(64, BigInt.asIntN(width, linear));
      return { addressSpace: hex(this.state.spaces[root.space]!.tag), linearAddress: hex(address) };
    }
    let left = ENTRIES;
    for (let parent = page.firstParent; parent !== NONE && left > 0; left--) {
      const row = this.row(parent);
      if (row === NONE || !this.isLink(row)) break;
      const own = BigInt(parent & (ENTRIES - 1)) << BigInt(9 * (levels + 1));
      const place = levels < 5 ? this.#climb(parent >>> 9, own | indexes, levels + 1) : null;
      if (place !== null) return place;
      parent = this.words[row + NEXT]!;
    }
    return null;
  }
}
