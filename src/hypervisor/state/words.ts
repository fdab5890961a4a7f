import type { Section } from "./tables.ts";

/** Rows of 32-bit words that become more as they are added: what there may be a million of is no object each. */
export class WordRows {
  #words: Int32Array;
  #used = 0;

  constructor() {
    this.#words = new Int32Array(1024);
  }

  /** Room for one more row of so many words. @returns where it begins in `words` */
  add(words: number): number {
    const at = this.#used;
    this.#used += words;
    if (this.#used > this.#words.length) {
      const grown = new Int32Array(Math.max(this.#used, this.#words.length * 2));
      grown.set(this.#words);
      this.#words = grown;
    }
    return at;
  }

  get words(): Int32Array {
    return this.#words;
  }

  finished(): Int32Array {
    return this.#words.slice(0, this.#used);
  }
}

/** Words in a row of such a section. */
export function wordsOf(section: Section): number {
  return section.row.size / 4;
}

/** Where a field of such a section stands in its row, in words. */
export function wordAt<S extends Section>(section: S, field: keyof S["row"]["fields"] & string): number {
  return section.row.fields[field]!.offset / 4;
}
