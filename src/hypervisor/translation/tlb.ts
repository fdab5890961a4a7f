import { SpaceTags } from "./space-tags.ts";

/** Slots of one kind of access, direct-mapped by bits 27:12 of the address; two words a slot, tag and frame. */
const SLOTS = 65_536;
const KIND_WORDS = SLOTS * 2;
const SPACE_BITS = 12;
/** A space's tag that is never drawn, so nothing carries it. */
export const NO_SPACE = 2 ** SPACE_BITS - 1;
/** Words of the slots of 2 MiB, and how many such regions the marks tell apart. */
const LARGE_WORDS = 512 * 2;
const LARGE_MARKS = 65_536;

/** Kinds of access, each with slots of its own: what is in a slot is permitted, and nothing is left to check on a hit. */
const KINDS = 8;
const USED_WORDS = KINDS * KIND_WORDS;
/** Beyond the kinds are as many that stay empty: an access that is looked for there is found nowhere. */
const LOOKED_AT = 2 * KINDS - 1;

/** Where the slot of an address lies, for a kind of access. */
export function slotPlace(low: number, kind: number): number {
  return ((kind & LOOKED_AT) << 17) | ((low >>> 11) & (KIND_WORDS - 2));
}

/** The part of a slot's tag that is the address's: bits 47:28 in its upper 20 bits. The lower 12 are the space's tag. */
export function addressTag(high: number, low: number): number {
  return (high << 16) | ((low >>> 16) & 0xf000);
}

/**
 * The slots of a tagged TLB, and the flushes. A hit is one comparison of 32 bits (paging.md A4): the tag names the address and
 * the space, the slots' kind stands for the rights.
 *
 * Pieces of large pages lie in slots of 4 KiB; a mark for each 2 MiB remembers that there are some, because a flush of
 * one address has to take all of its page.
 */
export class Tlb {
  readonly words = new Int32Array(2 * USED_WORDS);
  /** Of the address space that is active, and of what belongs to all of them. */
  space = 0;
  global = 0;

  readonly #tags = new SpaceTags(SPACE_BITS, () => this.words.fill(0, 0, USED_WORDS));
  readonly #large = new Uint8Array(LARGE_MARKS);
  #gigabytePieces = false;
  #pcid = 0;

  constructor() {
    this.switchTo(0);
  }

  switchTo(pcid: number): void {
    this.#pcid = pcid;
    // Each of the two may draw a tag, and the last one drawn may have begun the tags anew.
    do {
      this.global = this.#tags.globalTag();
      this.space = this.#tags.tagOf(pcid);
    } while (this.global !== this.#tags.globalTag());
  }

  /** Remembers that this address is a piece of a page of 2 MiB or 1 GiB. */
  markLarge(high: number, low: number, gigabyte: boolean): void {
    this.#large[largeMark(high, low)] = 1;
    if (gigabyte) this.#gigabytePieces = true;
  }

  /** Drops an address, in every space: more than has to go where it is not global, and never less. */
  flushAddress(high: number, low: number): void {
    if (this.#gigabytePieces) {
      this.flushAll();
      return;
    }
    const mark = largeMark(high, low);
    if (this.#large[mark] === 0) {
      for (let place = slotPlace(low, 0); place < USED_WORDS; place += KIND_WORDS) this.words[place] = 0;
      return;
    }
    const first = slotPlace(low, 0) & ~(LARGE_WORDS - 1);
    for (let place = first; place < USED_WORDS; place += KIND_WORDS) this.words.fill(0, place, place + LARGE_WORDS);
    this.#large[mark] = 0;
  }

  /** Drops what belongs to one space alone. */
  flushSpace(pcid: number): void {
    this.#tags.flush(pcid);
    this.switchTo(this.#pcid);
  }

  flushAllButGlobal(): void {
    this.#tags.flushAllButGlobal();
    this.switchTo(this.#pcid);
  }

  flushAll(): void {
    this.#tags.flushAll();
    this.#gigabytePieces = false;
    this.switchTo(this.#pcid);
  }
}

function largeMark(high: number, low: number): number {
  return ((high << 11) | (low >>> 21)) & (LARGE_MARKS - 1);
}
