/** What a walk by the book comes to, and how often it writes to the tables. */
export interface EagerCounts {
  /** A write for each entry used, at every access: a processor without a TLB. */
  everyAccess: number;
  /** A write for each entry used, at every fill of a TLB that only flushes empty. */
  everyFill: number;
  /** Writes that change something, A and D of one access in one. */
  everyChange: number;
}

const PRESENT = 1;
const WRITABLE = 2;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const LARGE = 0x80;
const INDEX = 511;

/**
 * Page tables of four levels as the processor manual has them, in an array of their own: every access walks, sets A in each
 * entry it uses and D in the last one of a write. Supervisor accesses with CR0.WP, below 4 GiB. It knows nothing of src.
 */
export class EagerGuest {
  readonly counts: EagerCounts = { everyAccess: 0, everyFill: 0, everyChange: 0 };
  /** Entry `i` of frame `f` at `f * 512 + i`. */
  readonly entries: Int32Array;
  /** By processor and root frame: what a TLB holds, as page numbers times two, plus one with the right to write. */
  readonly #tlbs = new Map<number, Set<number>>();

  /** @param frames of the lowest, that may hold tables */
  constructor(frames: number) {
    this.entries = new Int32Array(frames * 512);
  }

  /** @returns the guest frame that the address lies in; -1 for a fault, which changes nothing */
  access(processor: number, root: number, linear: number, write: boolean): number {
    const { entries, counts } = this;
    const used: number[] = [];
    let frame = root;
    let writable = true;
    let shift = 39;
    for (; ; shift -= 9) {
      const at = frame * 512 + (Math.floor(linear / 2 ** shift) & INDEX);
      const entry = entries[at]!;
      if ((entry & PRESENT) === 0) return -1;
      used.push(at);
      writable = writable && (entry & WRITABLE) !== 0;
      frame = entry >>> 12;
      if (shift === 12 || (entry & LARGE) !== 0) break;
    }
    if (write && !writable) return -1;
    const page = (Math.floor(linear / 4096) & INDEX) * (shift === 21 ? 1 : 0);
    counts.everyAccess += used.length;
    if (this.#fills(processor * 64 + root, Math.floor(linear / 4096), write, used.at(-1)!))
      counts.everyFill += used.length;
    for (const at of used) this.#set(at, ACCESSED | (write && at === used.at(-1) ? DIRTY : 0));
    return frame + page;
  }

  /** A flush of everything a processor has; -1 for all processors. */
  flush(processor: number): void {
    for (const [key, tlb] of this.#tlbs) if (processor < 0 || key >>> 6 === processor) tlb.clear();
  }

  #set(at: number, flags: number): void {
    const before = this.entries[at]!;
    if ((before & flags) === flags) return;
    this.entries[at] = before | flags;
    this.counts.everyChange++;
  }

  #fills(key: number, page: number, write: boolean, leaf: number): boolean {
    let tlb = this.#tlbs.get(key);
    if (tlb === undefined) {
      tlb = new Set();
      this.#tlbs.set(key, tlb);
    }
    if (tlb.has(page * 2 + 1) || (!write && tlb.has(page * 2))) return false;
    tlb.add(page * 2 + (write || (this.entries[leaf]! & DIRTY) !== 0 ? 1 : 0));
    return true;
  }
}
