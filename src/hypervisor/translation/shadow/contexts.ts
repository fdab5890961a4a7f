import type { TlbContext } from "../physical-tlb.ts";

/** More than any control bits come to (role.ts, and the number of levels). */
const CONTROLS = 2 ** 13;
/** In place of a process-context identifier, of global pages. */
const GLOBAL = -1;

/**
 * Under which number one processor's translations lie in the TLB: one for each address space under certain control bits.
 * To flush a space is to forget its number; what was remembered under it is never asked for again.
 */
export class Contexts {
  readonly #known = new Map<number, TlbContext>();
  readonly #global = new Map<number, TlbContext>();
  #last = 0;

  /**
   * The number of an address space under control bits: the one it had, unless a flush has taken it away.
   * @param now serial number of the last flush or table write
   * @param since serial number of the flush that all the space's translations are younger than
   */
  of(tag: number, pcid: number, control: number, now: number, since: number): number {
    const key = tag * CONTROLS + control;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = { number: ++this.#last, tag, pcid, control, bornAt: now, since };
      this.#known.set(key, known);
    }
    return known.number;
  }

  /** The number of what belongs to all address spaces. */
  ofGlobal(control: number, now: number): number {
    let known = this.#global.get(control);
    if (known === undefined) {
      known = { number: ++this.#last, tag: 0, pcid: GLOBAL, control, bornAt: now, since: 0 };
      this.#global.set(control, known);
    }
    return known.number;
  }

  list(): readonly TlbContext[] {
    return [...this.#known.values(), ...this.#global.values()];
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
