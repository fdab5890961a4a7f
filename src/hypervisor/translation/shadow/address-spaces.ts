import type { ShadowPool } from "./pool.ts";

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
  /** Topmost shadow pages, by role and number of levels; and whose turn it was last. */
  readonly roots: Map<number, number>;
  lastRoot: number;
}

/** No key of a topmost page. */
const NO_ROOT = -1;

/** The tagged virtual TLB of a partition: address spaces by tag. What is left stays until the page budget is spent. */
export class AddressSpaces {
  /** Moves on whenever topmost shadow pages came or were taken away: then nobody may go on from one it remembers. */
  rootsVersion = 0;

  readonly #pool: ShadowPool;
  readonly #byTag = new Map<number, AddressSpace>();
  #clock = 0;

  constructor(pool: ShadowPool) {
    this.#pool = pool;
  }

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
      const roots = new Map<number, number>();
      space = { tag, pcid, flushedAt: now, waysFlushedAt: now, usedAt: 0, processors: 0, roots, lastRoot: NO_ROOT };
      this.#byTag.set(tag, space);
    }
    space.usedAt = ++this.#clock;
    space.processors++;
    return space;
  }

  leave(space: AddressSpace): void {
    space.processors--;
  }

  /** A topmost shadow page of a space. @param key of its role and levels */
  begin(space: AddressSpace, key: number, root: number): void {
    this.#pool.references[root]!++;
    space.roots.set(key, root);
    this.rootsVersion++;
  }

  /** A space begins at one of its topmost shadow pages no longer. The page stays, and is found again by its key. */
  letGo(space: AddressSpace, key: number): void {
    this.#pool.references[space.roots.get(key)!]! -= 1;
    space.roots.delete(key);
    this.rootsVersion++;
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
