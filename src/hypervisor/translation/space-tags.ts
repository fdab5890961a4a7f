/** Process-context identifiers have 12 bits. */
const SPACES = 4096;

/**
 * Tags for what is cached of address spaces. Whatever is cached carries the tag its space had then; to flush a space is to
 * give it a new tag, so it costs the same however much was cached. Tags are small numbers from 1 on; when they run out, the
 * cache itself is cleared and they begin anew. A cache's empty entries have tag 0, which no space ever has.
 */
export class SpaceTags {
  readonly #most: number;
  readonly #clear: () => void;
  readonly #tags = new Int32Array(SPACES);
  /** Tags below are of before the last flush of everything. */
  #floor = 1;
  #next = 1;
  #global = 0;

  /**
   * @param bits of a tag; the one with all bits set is never given out
   * @param clear empties the cache
   */
  constructor(bits: number, clear: () => void) {
    this.#most = 2 ** bits - 2;
    this.#clear = clear;
  }

  /** The tag of what belongs to a process-context identifier. Asking may change the global tag. */
  tagOf(pcid: number): number {
    if (this.#tags[pcid]! < this.#floor) {
      const tag = this.#draw();
      this.#tags[pcid] = tag;
    }
    return this.#tags[pcid]!;
  }

  /** The tag of what belongs to all spaces. Asking may change the tags of spaces. */
  globalTag(): number {
    if (this.#global === 0) this.#global = this.#draw();
    return this.#global;
  }

  flush(pcid: number): void {
    this.#tags[pcid] = 0;
  }

  flushAllButGlobal(): void {
    this.#floor = this.#next;
  }

  flushAll(): void {
    this.#floor = this.#next;
    this.#global = 0;
  }

  #draw(): number {
    if (this.#next > this.#most) {
      this.#clear();
      this.#tags.fill(0);
      this.#global = 0;
      this.#next = 1;
      this.#floor = 1;
    }
    return this.#next++;
  }
}
