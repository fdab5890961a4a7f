/** A part of a partition's guest physical space that is set aside for shared pages: slots of one page, and which are free. */
export class TemporaryRange {
  /** The first guest frame of it. */
  readonly base: number;
  readonly pages: number;
  #free: number;
  /** A set bit is a free slot. */
  readonly #words: Int32Array;
  /** No slot is free in the words before this one. */
  #firstWord = 0;

  constructor(base: number, pages: number) {
    this.base = base;
    this.pages = pages;
    this.#free = pages;
    this.#words = new Int32Array(Math.ceil(pages / 32)).fill(-1);
    if (pages % 32 > 0) this.#words[this.#words.length - 1] = 2 ** (pages % 32) - 1;
  }

  /** Free slots. */
  get free(): number {
    return this.#free;
  }

  /** Whether a guest frame lies in the range. */
  has(page: number): boolean {
    return page >= this.base && page < this.base + this.pages;
  }

  /** Whether the slot at a guest frame of the range is free. */
  isFree(page: number): boolean {
    const slot = page - this.base;
    return (this.#words[slot >>> 5]! & (1 << (slot & 31))) !== 0;
  }

  /** Takes the lowest free slot and returns its guest frame; -1 when the range is full. */
  take(): number {
    for (let index = this.#firstWord; index < this.#words.length; index++) {
      const word = this.#words[index]!;
      if (word === 0) continue;
      this.#firstWord = index;
      this.#words[index] = word & (word - 1);
      this.#free--;
      return this.base + index * 32 + (31 - Math.clz32(word & -word));
    }
    return -1;
  }

  /** Frees the slot at a guest frame that `take` gave. */
  give(page: number): void {
    const slot = page - this.base;
    this.#words[slot >>> 5]! |= 1 << (slot & 31);
    this.#firstWord = Math.min(this.#firstWord, slot >>> 5);
    this.#free++;
  }
}
