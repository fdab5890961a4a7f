import type { SharingPartition } from "./guest-pages.ts";
import type { TemporaryRange } from "./temporary-range.ts";

const NO_SLOT = -1;

/** One partition's pages that others access: how many accesses each has pending, and its slot in the temporary range. */
export class SharedPages {
  readonly owner: SharingPartition;
  readonly range: TemporaryRange;
  readonly #counts: Uint32Array;
  readonly #slots: Int32Array;

  constructor(owner: SharingPartition, range: TemporaryRange) {
    this.owner = owner;
    this.range = range;
    this.#counts = new Uint32Array(owner.memory.pages);
    this.#slots = new Int32Array(owner.memory.pages).fill(NO_SLOT);
  }

  count(page: number): number {
    return this.#counts[page] ?? 0;
  }

  /** The guest frame in the temporary range where a page is mapped; null where it is not. */
  slot(page: number): number | null {
    const slot = this.#slots[page] ?? NO_SLOT;
    return slot === NO_SLOT ? null : slot;
  }

  /** One access more to each of these pages. @returns false, having counted none, when those without a slot find none free */
  begin(pages: readonly number[]): boolean {
    let wanted = 0;
    for (let index = 0; index < pages.length; index++) if (this.#counts[pages[index]!]!++ === 0) wanted++;
    if (wanted <= this.range.free) return true;
    for (let index = 0; index < pages.length; index++) this.#counts[pages[index]!]!--;
    return false;
  }

  /** One access less; the count that is left. */
  end(page: number): number {
    this.#counts[page]! -= 1;
    return this.#counts[page]!;
  }

  /** Maps a page into a free slot, unless it has one. There is a free one: `begin` has seen to it. */
  map(page: number, hostFrame: number, rights: number): void {
    if (this.#slots[page] !== NO_SLOT) return;
    const slot = this.range.take();
    this.#slots[page] = slot;
    this.owner.memory.mapFrame(slot, hostFrame, rights);
  }

  unmap(page: number): void {
    const slot = this.#slots[page]!;
    this.owner.memory.unmapFrame(slot);
    this.#slots[page] = NO_SLOT;
    this.range.give(slot);
  }

  /** Pages that have a slot, ascending; also one that nothing is pending for, which should not be. */
  mapped(): number[] {
    const pages: number[] = [];
    for (let page = 0; page < this.#slots.length; page++) if (this.#slots[page] !== NO_SLOT) pages.push(page);
    return pages;
  }

  /** Pages with a pending access, ascending. */
  pages(): number[] {
    const pages: number[] = [];
    for (let page = 0; page < this.#counts.length; page++) if (this.#counts[page]! > 0) pages.push(page);
    return pages;
  }
}
