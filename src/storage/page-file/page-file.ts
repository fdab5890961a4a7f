/** A transfer between memory and the page file, in pages of the file. */
export interface PageTransfer {
  readonly first: number;
  readonly pages: number;
  readonly write: boolean;
}

/** Milliseconds without a page going in or out that end a burst. */
const REST = 5000;
/** Pages of a cluster at most. */
const LARGEST = 256;

/**
 * Where pages lie in a page file: those that went out or were wanted together lie together, since they will be again. A page that is
 * wanted brings its whole cluster in by one transfer; at the end of a burst the pages of it that do not lie together
 * yet go out as a new cluster, by one transfer too. Times are milliseconds.
 */
export class PageFile {
  readonly #taken: Uint8Array;
  /** Next-fit: from where room is looked for. */
  #at = 0;
  readonly #clusters = new Map<number, Cluster>();
  /** Pages of this burst, all of which are in memory. */
  readonly #burst = new Set<number>();
  /** Pages that came in with a cluster and have not been wanted. */
  readonly #ahead = new Set<number>();
  /** Pages of this burst of which the file has nothing, or something old. */
  readonly #dirty = new Set<number>();
  #last = Number.NEGATIVE_INFINITY;

  /** `pages`: the file's. Throws nothing: where the file is full, pages stay in memory. */
  constructor(pages: number) {
    this.#taken = new Uint8Array(pages);
  }

  /** A page is wanted; says what must be read, and what a burst before leaves to be written. */
  pageIn(page: number, now: number): PageTransfer[] {
    const transfers = this.#goOn(now);
    if (!this.#burst.has(page) && !this.#ahead.delete(page)) {
      const cluster = this.#clusters.get(page);
      if (cluster !== undefined) {
        transfers.push({ first: cluster.first, pages: cluster.pages.length, write: false });
        for (const other of cluster.pages)
          if (this.#clusters.get(other) === cluster && other !== page) this.#ahead.add(other);
      }
    }
    this.#burst.add(page);
    return transfers;
  }

  /** A page that was changed goes out: at the end of its burst, with the others. */
  pageOut(page: number, now: number): PageTransfer[] {
    const transfers = this.#goOn(now);
    this.#burst.add(page);
    this.#dirty.add(page);
    return transfers;
  }

  /** Ends the burst; says what is to be written. */
  rest(): PageTransfer[] {
    const clusters = new Set([...this.#burst].map((page) => this.#clusters.get(page)));
    const liesTogether = clusters.size === 1 && !clusters.has(undefined) && this.#dirty.size === 0;
    const transfers = this.#burst.size === 0 || liesTogether ? [] : this.#place([...this.#burst]);
    this.#burst.clear();
    this.#ahead.clear();
    this.#dirty.clear();
    return transfers;
  }

  /** The page of the file that holds a page; undefined: none does. */
  placeOf(page: number): number | undefined {
    const cluster = this.#clusters.get(page);
    return cluster === undefined ? undefined : cluster.first + cluster.pages.indexOf(page);
  }

  #goOn(now: number): PageTransfer[] {
    const isOver = now - this.#last > REST || this.#burst.size >= LARGEST;
    this.#last = now;
    return isOver ? this.rest() : [];
  }

  #place(pages: readonly number[]): PageTransfer[] {
    for (const page of pages) this.#leave(page);
    const transfers: PageTransfer[] = [];
    for (let from = 0; from < pages.length; ) {
      const { first, length } = this.#room(pages.length - from);
      if (length === 0) break;
      const cluster = { first, pages: pages.slice(from, from + length) };
      for (const page of cluster.pages) this.#clusters.set(page, cluster);
      this.#taken.fill(1, first, first + length);
      transfers.push({ first, pages: length, write: true });
      from += length;
    }
    return transfers;
  }

  #leave(page: number): void {
    const place = this.placeOf(page);
    if (place === undefined) return;
    this.#taken[place] = 0;
    this.#clusters.delete(page);
  }

  /** The next run that is long enough, else the longest. */
  #room(wanted: number): { first: number; length: number } {
    const size = this.#taken.length;
    let best = { first: 0, length: 0 };
    for (let step = 0; step < size; ) {
      const first = (this.#at + step) % size;
      let length = 0;
      while (length < wanted && first + length < size && this.#taken[first + length] === 0) length++;
      if (length > best.length) best = { first, length };
      if (length === wanted) break;
      step += length + 1;
    }
    this.#at = (best.first + best.length) % size;
    return best;
  }
}

interface Cluster {
  readonly first: number;
  readonly pages: readonly number[];
}
