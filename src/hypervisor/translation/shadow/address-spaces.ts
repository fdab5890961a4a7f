/**
 * An address space of the guest, as long as the virtual TLB knows it. `flushedAt` and `waysFlushedAt` are serial numbers of
 * flushes: a shadow page that was compared with its guest table before has to be compared again before this space uses it.
 * An invalidated page leaves the space's other leaves alone, but not the ways to them; hence two.
 */
export interface AddressSpace {
  /** The guest's CR3: pointer to its topmost table, with the PCID in the low bits where there is one. */
  readonly tag: number;
  readonly pcid: number;
  flushedAt: number;
  waysFlushedAt: number;
  usedAt: number;
  /** Processors that run in it now. */
  processors: number;
  /** Topmost shadow pages, by role and number of levels. */
  readonly roots: Map<number, number>;
}

/** The tagged virtual TLB of a partition: address spaces by tag. What is left stays until the page budget is spent. */
export class AddressSpaces {
  readonly #byTag = new Map<number, AddressSpace>();
  #clock = 0;

  get count(): number {
    return this.#byTag.size;
  }

  [Symbol.iterator](): MapIterator<AddressSpace> {
    return this.#byTag.values();
  }

  /** The space of this tag, where there is one. */
  of(tag: number): AddressSpace | undefined {
    return this.#byTag.get(tag);
  }

  /** The space of this tag as it was left; a new one, where there was none. */
  enter(tag: number, now: number): AddressSpace {
    let space = this.#byTag.get(tag);
    if (space === undefined) {
      const pcid = tag & 0xfff;
      space = { tag, pcid, flushedAt: now, waysFlushedAt: now, usedAt: 0, processors: 0, roots: new Map() };
      this.#byTag.set(tag, space);
    }
    space.usedAt = ++this.#clock;
    space.processors++;
    return space;
  }

  leave(space: AddressSpace): void {
    space.processors--;
  }

  /** The one that was left longest ago; null when processors run in all of them. */
  leastRecentlyUsed(): AddressSpace | null {
    let oldest: AddressSpace | null = null;
    for (const space of this.#byTag.values())
      if (space.processors === 0 && (oldest === null || space.usedAt < oldest.usedAt)) oldest = space;
    return oldest;
  }

  remove(space: AddressSpace): void {
    this.#byTag.delete(space.tag);
  }
}
