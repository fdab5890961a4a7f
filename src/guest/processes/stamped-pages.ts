import type { Random } from "../../binary/index.ts";
import { PAGE_SIZE } from "../../binary/index.ts";
import type { GuestPhysicalMemory, VirtualProcessor } from "../../hypervisor/index.ts";
import { ACCESS_USER } from "../../paging/index.ts";
import type { StampSource } from "./page-stamp.ts";

/** Words of a page that carry stamps, at equal distances. */
const STAMPS = 8;
const STAMP_DISTANCE = PAGE_SIZE / STAMPS;
const STAMPS_SHIFT = Math.log2(STAMPS);
/** Chance chooses among 2^16 stamps. */
export const MOST_STAMPED_PAGES = 2 ** 16 / STAMPS;
/** Of the accesses to stamped pages, one in so many is a write. */
const WRITES_EVERY = 4;

/** A word that was not what its process last wrote there. */
export interface WrongStamp {
  readonly address: bigint;
  readonly expected: number;
  readonly found: number;
}

/**
 * Consecutive pages of a process, MOST_STAMPED_PAGES at most and within 4 GiB, whose words carry stamps: the process knows each stamp that it wrote last, and
 * sees at every read whether the page is its own. All accesses but the first are made by linear address, in user mode.
 */
export class StampedPages {
  readonly address: bigint;
  readonly pages: number;
  /** Per page, whether it was read or written, and whether it was written, since its page-table entry was made or looked at. */
  readonly used: Uint8Array;
  readonly written: Uint8Array;
  readonly #high: number;
  readonly #low: number;
  readonly #stamps: StampSource;
  readonly #random: Random;
  /** What each stamp is to be. */
  readonly #expected: Int32Array;
  readonly #lows: Int32Array;
  readonly #words: Int32Array;
  readonly #places: Int32Array;

  /** @param mostAccesses that `access` will be asked for at a time */
  constructor(address: bigint, pages: number, stamps: StampSource, random: Random, mostAccesses: number) {
    this.address = address;
    this.pages = pages;
    this.used = new Uint8Array(pages);
    this.written = new Uint8Array(pages);
    this.#high = Number(BigInt.asIntN(32, address >> 32n));
    this.#low = Number(BigInt.asIntN(32, address));
    this.#stamps = stamps;
    this.#random = random;
    this.#expected = new Int32Array(pages * STAMPS);
    const most = Math.max(mostAccesses, STAMPS);
    this.#lows = new Int32Array(most);
    this.#words = new Int32Array(most);
    this.#places = new Int32Array(most);
  }

  addressOf(page: number): bigint {
    return this.address + BigInt(page * PAGE_SIZE);
  }

  /** Puts the first stamps into a page by physical address, as a kernel fills a page before a process sees it. */
  fill(memory: GuestPhysicalMemory, page: number, frame: number): void {
    for (let stamp = 0; stamp < STAMPS; stamp++) {
      const word = this.#stamps.next();
      this.#expected[page * STAMPS + stamp] = word;
      memory.writeWord(frame * PAGE_SIZE + stamp * STAMP_DISTANCE, word);
    }
  }

  /**
   * Reads stamps of pages that chance chooses, compares them, and writes some anew.
   * @throws PageFault when a page refuses
   */
  access(processor: VirtualProcessor, count: number): WrongStamp | null {
    const writes = Math.floor(count / WRITES_EVERY);
    return this.#read(processor, count - writes) ?? this.#write(processor, writes);
  }

  /** Writes all stamps of a page anew. */
  rewrite(processor: VirtualProcessor, page: number): void {
    for (let stamp = 0; stamp < STAMPS; stamp++) this.#place(stamp, page * STAMPS + stamp);
    this.#writePlaced(processor, STAMPS);
  }

  /** Reads all stamps of a page: the first one that `isRight` does not take. */
  check(
    processor: VirtualProcessor,
    page: number,
    isRight: (found: number, expected: number) => boolean,
  ): WrongStamp | null {
    for (let stamp = 0; stamp < STAMPS; stamp++) this.#place(stamp, page * STAMPS + stamp);
    processor.readWords(this.#high, this.#lows, STAMPS, this.#words, ACCESS_USER);
    for (let stamp = 0; stamp < STAMPS; stamp++)
      if (!isRight(this.#words[stamp]!, this.#expected[this.#places[stamp]!]!)) return this.#wrong(stamp);
    return null;
  }

  /** A page's entry was made anew, or its flags cleared: it counts as not used. */
  forgetUse(page: number): void {
    this.used[page] = 0;
    this.written[page] = 0;
  }

  /** Two pages have got each other's frames. */
  swap(one: number, other: number): void {
    const expected = this.#expected;
    const kept = expected.slice(one * STAMPS, (one + 1) * STAMPS);
    expected.copyWithin(one * STAMPS, other * STAMPS, (other + 1) * STAMPS);
    expected.set(kept, other * STAMPS);
  }

  #read(processor: VirtualProcessor, count: number): WrongStamp | null {
    this.#choose(count);
    const words = this.#words;
    processor.readWords(this.#high, this.#lows, count, words, ACCESS_USER);
    const expected = this.#expected;
    const places = this.#places;
    for (let index = 0; index < count; index++)
      if (words[index] !== expected[places[index]!]) return this.#wrong(index);
    return null;
  }

  #write(processor: VirtualProcessor, count: number): null {
    this.#choose(count);
    this.#writePlaced(processor, count);
    return null;
  }

  #writePlaced(processor: VirtualProcessor, count: number): void {
    const words = this.#words;
    const places = this.#places;
    for (let index = 0; index < count; index++) {
      const word = this.#stamps.next();
      words[index] = word;
      this.#expected[places[index]!] = word;
      this.written[places[index]! >>> STAMPS_SHIFT] = 1;
    }
    processor.writeWords(this.#high, this.#lows, count, words, ACCESS_USER);
  }

  /** Chooses stamps. Two come from each word that is drawn. */
  #choose(count: number): void {
    const stamps = this.pages * STAMPS;
    for (let index = 0; index < count; index += 2) {
      const drawn = this.#random.word();
      this.#place(index, ((drawn >>> 16) * stamps) >>> 16);
      if (index + 1 < count) this.#place(index + 1, ((drawn & 0xffff) * stamps) >>> 16);
    }
  }

  #place(index: number, stamp: number): void {
    this.#places[index] = stamp;
    this.#lows[index] = this.#low + stamp * STAMP_DISTANCE;
    this.used[stamp >>> STAMPS_SHIFT] = 1;
  }

  #wrong(index: number): WrongStamp {
    return {
      address: this.address + BigInt(this.#places[index]! * STAMP_DISTANCE),
      expected: this.#expected[this.#places[index]!]!,
      found: this.#words[index]!,
    };
  }
}
