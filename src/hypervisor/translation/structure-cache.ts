import type { FlatWalk } from "./flat-walk.ts";
import { SpaceTags } from "./space-tags.ts";

/** Direct-mapped by bits 32:21 of the address; four words an entry. */
const ENTRIES = 4096;
const ENTRY_WORDS = 4;
const TAG_BITS = 17;

/**
 * What a processor remembers of directory entries (Intel SDM volume 3A, section 4.10.3; paging.md A2, rule 12): for 2 MiB
 * of an address space, where its page table lies, and the AND and OR of what all entries on the way there say. Filled from
 * common walks only, so those entries were present, accessed, not large and had no reserved bit set.
 */
export class StructureCache {
  readonly #words = new Int32Array(ENTRIES * ENTRY_WORDS);
  readonly #tags = new SpaceTags(TAG_BITS, () => this.#words.fill(0));
  #pcid = 0;
  #tag = 0;

  switchTo(pcid: number): void {
    this.#pcid = pcid;
    this.#tag = this.#tags.tagOf(pcid);
  }

  /** Drops what is remembered of one space. */
  flush(pcid: number): void {
    this.#tags.flush(pcid);
    this.switchTo(this.#pcid);
  }

  flushAll(): void {
    this.#tags.flushAll();
    this.switchTo(this.#pcid);
  }

  /** Ends a walk from the page table that is remembered; `missed` when none is, else what `FlatWalk.walkTable` says. */
  walk(flat: FlatWalk, high: number, low: number, access: number, missed: number): number {
    const words = this.#words;
    const at = placeOf(high, low);
    if (words[at] !== (((high >> 1) << TAG_BITS) | this.#tag)) return missed;
    return flat.walkTable(words[at + 1]!, words[at + 2]!, words[at + 3]!, low, access);
  }

  /** Remembers the way of the common walk that `flat` has just made to a page of 4 KiB. */
  fill(flat: FlatWalk, high: number, low: number): void {
    const words = this.#words;
    const at = placeOf(high, low);
    words[at] = ((high >> 1) << TAG_BITS) | this.#tag;
    words[at + 1] = flat.table;
    words[at + 2] = flat.allowed;
    words[at + 3] = flat.forbidden;
  }
}

function placeOf(high: number, low: number): number {
  return (((high & 1) << 11) | (low >>> 21)) * ENTRY_WORDS;
}
