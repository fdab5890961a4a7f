import { ACCESS_FETCH, ACCESS_USER, ACCESS_WRITE } from "../../../src/paging/index.ts";
import { cr0, cr4, efer, LINEAR_LOW, layPath, linearHigh, PDE_ADDRESS, PDPTE_ADDRESS, PTE_ADDRESS } from "./path.ts";
import type { Levels, Subject } from "./subject.ts";

/** A page that no condition leads to. */
const PAGE = 0x1f_5000;
const TARGET = PAGE + (LINEAR_LOW & 0xfff);
/** Present, writable, user, accessed and dirty; and the table or page below. */
const ALLOWED = 0x67;
const DIRECTORY = 0x4000;
const TABLE = 0x5000;
const VISITS = [0, ACCESS_WRITE, ACCESS_FETCH, ACCESS_USER, ACCESS_USER | ACCESS_WRITE, ACCESS_USER | ACCESS_FETCH];

/**
 * Another virtual machine that the same processor runs by turns with the tested one, and whose translations stay: it may do
 * everything at the very address that is tested, where it has another page. To meet one of its translations is to go wrong.
 */
export class Neighbour {
  readonly #subject: Subject;
  readonly #high: number;
  #visits = 0;

  constructor(subject: Subject, levels: Levels) {
    this.#subject = subject;
    this.#high = linearHigh(levels);
    subject.setControls(cr0(0), cr4(0, levels), efer(0), 0);
    layPath(subject, levels);
    subject.writeWord(PDPTE_ADDRESS, DIRECTORY | ALLOWED);
    subject.writeWord(PDE_ADDRESS, TABLE | ALLOWED);
    subject.writeWord(PTE_ADDRESS, PAGE | ALLOWED);
  }

  /** Runs for one access. */
  run(): void {
    const subject = this.#subject;
    const access = VISITS[this.#visits]!;
    this.#visits = this.#visits === VISITS.length - 1 ? 0 : this.#visits + 1;
    if (!subject.access(this.#high, LINEAR_LOW, access) || subject.physicalAddress !== TARGET)
      throw new Error(`the neighbour's access ${access} went to ${subject.physicalAddress.toString(16)}`);
  }

  /** A processor without tags flushes when it leaves a machine. */
  flush(): void {
    this.#subject.invalidatePcid(2, 0, 0, 0);
  }
}
