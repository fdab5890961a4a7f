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
  /** Serial number of the last flush: the owner's count. */
  now = 1;
  readonly #tags = new Int32Array(SPACES);
  /** By identifier, what `now` was when its tag was drawn. */
  readonly #bornAt = new Float64Array(SPACES);
  /** Tags below are of before the last flush of everything. */
  #floor = 1;
  #next = 1;
  #global = 0;
  #globalBornAt = 0;

  /**
   * @param bits of a tag; the one with all bits set is never given out
   * @param clear empties the cache
   */
  constructor(bits: number, clear: () => void) {
    this.#most = 2 ** bits - 2;
    this.#clear = clear;
  }

  /** The serial number of a flush that begins now. */
  tick(): number {
    return ++this.now;
  }

  /** The tag of what belongs to a process-context identifier. Asking may change the global tag. */
  tagOf(pcid: number): number {
    if (this.#tags[pcid]! < this.#floor) {
      const tag = this.#draw();
      this.#tags[pcid] = tag;
      this.#bornAt[pcid] = this.now;
    }
    return this.#tags[pcid]!;
  }

  /** The tag of what belongs to all spaces. Asking may change the tags of spaces. */
  globalTag(): number {
    if (this.#global === 0) {
      this.#global = this.#draw();
      this.#globalBornAt = this.now;
    }
    return this.#global;
  }

  /** The tags in use: whose they are, -1 for the global one, and what `now` was when they were drawn. */
  inUse(): { readonly tag: number; readonly pcid: number; readonly bornAt: number }[] {
    const tags = this.#global === 0 ? [] : [{ tag: this.#global, pcid: -1, bornAt: this.#globalBornAt }];
    for (let pcid = 0; pcid < SPACES; pcid++)
      if (this.#tags[pcid]! >= this.#floor) tags.push({ tag: this.#tags[pcid]!, pcid, bornAt: this.#bornAt[pcid]! });
    return tags;
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
