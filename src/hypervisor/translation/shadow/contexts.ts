/** More than any control bits come to (role.ts, and the number of levels). */
const CONTROLS = 2 ** 13;

/**
 * Under which number one processor's translations lie in the TLB: one for each address space under certain control bits.
 * To flush a space is to forget its number; what was remembered under it is never asked for again.
 */
export class Contexts {
  readonly #known = new Map<number, { readonly context: number; readonly pcid: number }>();
  readonly #global = new Map<number, number>();
  #last = 0;

  /** The number of an address space under control bits: the one it had, unless a flush has taken it away. */
  of(tag: number, pcid: number, control: number): number {
    const key = tag * CONTROLS + control;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = { context: ++this.#last, pcid };
      this.#known.set(key, known);
    }
    return known.context;
  }

  /** The number of what belongs to all address spaces. */
  ofGlobal(control: number): number {
    let context = this.#global.get(control);
    if (context === undefined) {
      context = ++this.#last;
      this.#global.set(control, context);
    }
    return context;
  }

  /** Forgets what belongs to the address spaces of a process-context identifier alone. */
  forgetPcid(pcid: number): void {
    for (const [key, known] of this.#known) if (known.pcid === pcid) this.#known.delete(key);
  }

  forgetAll(): void {
    this.#known.clear();
    this.#global.clear();
  }
}
