import type { PageRun } from "../../binary/index.ts";

const WORDS_A_RANK = 16;

const popcount = (word: number) => {
  let n = word - ((word >>> 1) & 0x5555_5555);
  n = (n & 0x3333_3333) + ((n >>> 2) & 0x3333_3333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
};

/** One bit a page frame, with a directory (set bits before each 64 bytes) so that a page's rank costs a few words. */
export class PageBitmap {
  /** Page frames it speaks of. */
  readonly pages: number;
  /** Set bits. */
  readonly count: number;
  readonly #words: Uint32Array;
  readonly #ranks: Uint32Array;

  /** @param bits page n is bit n mod 8 of byte n / 8; bits from `pages` on are ignored */
  constructor(bits: Uint8Array, pages: number) {
    this.pages = Math.min(pages, bits.length * 8);
    this.#words = new Uint32Array(Math.ceil(this.pages / 32));
    const bytes = new Uint8Array(this.#words.buffer);
    bytes.set(bits.subarray(0, Math.ceil(this.pages / 8)));
    if (this.pages % 32 > 0) this.#words[this.#words.length - 1]! &= 2 ** (this.pages % 32) - 1;
    this.#ranks = new Uint32Array(Math.ceil(this.#words.length / WORDS_A_RANK));
    let count = 0;
    for (let index = 0; index < this.#words.length; index++) {
      if (index % WORDS_A_RANK === 0) this.#ranks[index / WORDS_A_RANK] = count;
      count += popcount(this.#words[index]!);
    }
    this.count = count;
  }

  has(page: number): boolean {
    return page >= 0 && page < this.pages && (this.#words[page >>> 5]! & (1 << (page & 31))) !== 0;
  }

  /** Set bits before this page, which is below `pages`. */
  rank(page: number): number {
    const word = page >>> 5;
    let rank = this.#ranks[Math.floor(word / WORDS_A_RANK)]!;
    for (let index = word - (word % WORDS_A_RANK); index < word; index++) rank += popcount(this.#words[index]!);
    return rank + popcount(this.#words[word]! & ((1 << (page & 31)) - 1));
  }

  /** Set pages, ascending. */
  *set(): Generator<number> {
    for (let index = 0; index < this.#words.length; index++)
      for (let word = this.#words[index]!; word !== 0; word &= word - 1)
        yield index * 32 + (31 - Math.clz32(word & -word));
  }

  /** Runs of set pages, ascending. */
  runs(): PageRun[] {
    const runs: PageRun[] = [];
    for (let page = this.#next(0, true); page < this.pages; ) {
      const end = this.#next(page, false);
      runs.push({ firstPage: page, pageCount: end - page });
      page = this.#next(end, true);
    }
    return runs;
  }

  /** The first page from `page` on that is (not) set; `pages` when there is none. */
  #next(page: number, set: boolean): number {
    const flip = set ? 0 : -1;
    let index = page >>> 5;
    let word = ((this.#words[index] ?? 0) ^ flip) & (-1 << (page & 31));
    while (word === 0 && ++index < this.#words.length) word = this.#words[index]! ^ flip;
    return word === 0 ? this.pages : Math.min(this.pages, index * 32 + (31 - Math.clz32(word & -word)));
  }
}
