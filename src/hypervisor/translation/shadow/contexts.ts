import type { TlbContext } from "../physical-tlb.ts";

/** More than any control bits come to (role.ts, and the number of levels). */
const CONTROLS = 2 ** 13;
/** In place of a process-context identifier, of global pages. */
const GLOBAL = -1;
/** Process-context identifiers have 12 bits. */
const IDENTIFIERS = 4096;
/** With so many known, those that were forgotten are looked for and left behind. */
const FEW = 64;

type Known = { -readonly [Field in keyof TlbContext]: TlbContext[Field] };

/**
 * Under which number one processor's translations lie in the TLB: one for each address space under certain control bits.
 * To flush a space is to forget its number; what was remembered under it is never asked for again. Forgetting costs the same
 * however many are known: numbers grow, and below some all are forgotten.
 */
export class Contexts {
  readonly #known = new Map<number, Known>();
  #last = 0;
  /** The first number that is not forgotten, of all and by identifier. */
  #first = 1;
  readonly #firstOf = new Int32Array(IDENTIFIERS);
  #most = FEW;

  /**
   * The number of an address space under control bits: the one it had, unless a flush has taken it away.
   * @param now serial number of the last flush or table write
   * @param since serial number of the flush that all the space's translations are younger than
   */
  of(tag: number, pcid: number, control: number, now: number, since: number): number {
    return this.#numberOf(tag * CONTROLS + control, tag, pcid, control, now, since);
  }

  /** The number of what belongs to all address spaces. */
  ofGlobal(control: number, now: number): number {
    return this.#numberOf(-1 - control, 0, GLOBAL, control, now, 0);
  }

  list(): readonly TlbContext[] {
    return [...this.#known.values()].filter((known) => !this.#isForgotten(known));
  }

  /** Forgets what belongs to the address spaces of a process-context identifier alone. */
  forgetPcid(pcid: number): void {
    this.#firstOf[pcid] = this.#last + 1;
  }

  forgetAll(): void {
    this.#first = this.#last + 1;
  }

  #isForgotten({ number, pcid }: Known): boolean {
    return number < this.#first || (pcid !== GLOBAL && number < this.#firstOf[pcid]!);
  }

  #numberOf(key: number, tag: number, pcid: number, control: number, now: number, since: number): number {
    let known = this.#known.get(key);
    if (known === undefined) {
      if (this.#known.size >= this.#most) this.#leaveForgotten();
      known = { number: 0, tag, pcid, control, bornAt: now, since };
      this.#known.set(key, known);
    }
    if (this.#isForgotten(known)) {
      known.number = ++this.#last;
      known.bornAt = now;
      known.since = since;
    }
    return known.number;
  }

  /** Address spaces come and go. */
  #leaveForgotten(): void {
    for (const [key, known] of this.#known) if (this.#isForgotten(known)) this.#known.delete(key);
    this.#most = Math.max(FEW, this.#known.size * 2);
  }
}
