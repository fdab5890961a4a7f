const SLOTS = 4096;
export const TLB_SLOT_MASK = SLOTS - 1;
const PAGE = ~0xfff;
/** A context is what the low 12 bits of a page's address have room for. 0 is never one. */
const CONTEXTS = 4096;

/**
 * What one processor remembers of the shadow tables: 4096 pages, direct-mapped. Each entry carries a context, which stands
 * for an address space under certain control bits. A flush gives the space a new context, so it costs the same whatever is
 * cached; when all contexts are spent, everything is cleared.
 */
export class ProcessorTlb {
  /** The page's address, and the context in its low 12 bits. */
  readonly tagLow = new Int32Array(SLOTS);
  readonly tagHigh = new Int32Array(SLOTS);
  /** Host frame in bits 31:12, allowed accesses below. */
  readonly translation = new Int32Array(SLOTS);

  #lastContext = 0;
  /** Contexts that may still be used, by address space and control bits. */
  #contexts = new Map<string, { readonly context: number; readonly pcid: number }>();
  #hasPieces = false;

  /** The context of an address space under control bits: the one it had, unless a flush has taken it away. */
  context(tag: number, pcid: number, control: number): number {
    const key = `${tag} ${control}`;
    const known = this.#contexts.get(key);
    if (known !== undefined) return known.context;
    if (++this.#lastContext === CONTEXTS) this.#clear();
    this.#contexts.set(key, { context: this.#lastContext, pcid });
    return this.#lastContext;
  }

  /** Host frame and allowed accesses of a page; 0 where it is not here. */
  find(context: number, high: number, low: number): number {
    const slot = (low >>> 12) & TLB_SLOT_MASK;
    return this.tagLow[slot] === ((low & PAGE) | context) && this.tagHigh[slot] === high ? this.translation[slot]! : 0;
  }

  insert(context: number, high: number, low: number, translation: number, isPiece: boolean): void {
    const slot = (low >>> 12) & TLB_SLOT_MASK;
    this.tagLow[slot] = (low & PAGE) | context;
    this.tagHigh[slot] = high;
    this.translation[slot] = translation;
    if (isPiece) this.#hasPieces = true;
  }

  /** Forgets all contexts of a process-context identifier. */
  forgetPcid(pcid: number): void {
    for (const [key, known] of this.#contexts) if (known.pcid === pcid) this.#contexts.delete(key);
  }

  forgetAll(): void {
    this.#contexts.clear();
    this.#hasPieces = false;
  }

  /** Forgets a page in every context. Pieces of large pages are not told apart: with any of them here, all goes. */
  forgetPage(high: number, low: number): void {
    const slot = (low >>> 12) & TLB_SLOT_MASK;
    if (this.#hasPieces) this.forgetAll();
    else if ((this.tagLow[slot]! & PAGE) === (low & PAGE) && this.tagHigh[slot] === high) this.translation[slot] = 0;
  }

  #clear(): void {
    this.translation.fill(0);
    this.#contexts.clear();
    this.#lastContext = 1;
    this.#hasPieces = false;
  }
}
