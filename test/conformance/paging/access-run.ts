import { FAULT_PAGE } from "../../../src/paging/index.ts";
import {
  ACCESS_BY_USER,
  ACCESS_IS_FETCH,
  ACCESS_IS_WRITE,
  ACCESS_TWICE,
  conditionsText,
  PDE_ACCESSED,
  PDE_LARGE,
} from "./conditions.ts";
import { invalidator } from "./invalidation.ts";
import { Neighbour } from "./neighbour.ts";
import {
  accessOf,
  cr0,
  cr4,
  efer,
  LARGE_TARGET,
  LINEAR_LOW,
  layPath,
  linearHigh,
  PDE_ADDRESS,
  PDPTE_ADDRESS,
  PTE_ADDRESS,
  pdeHigh,
  pdeLow,
  pdpteLow,
  pkru,
  pteHigh,
  pteLow,
  SMALL_TARGET,
} from "./path.ts";
import { ReferenceModel } from "./reference-model.ts";
import type { Levels, Subject } from "./subject.ts";
import type { Surroundings } from "./surroundings.ts";

/** Places in what is remembered of the entries. */
const PDPTE_LOW = 0;
const PDPTE_HIGH = 1;
const PDE_LOW = 2;
const PDE_HIGH = 3;
const PTE_LOW = 4;
const PTE_HIGH = 5;
const HALVES = 6;

/** Failures that are told in words; the others are counted. */
const TOLD_FAILURES = 10;
const FIRST_READ = ~(ACCESS_IS_WRITE | ACCESS_IS_FETCH | ACCESS_BY_USER);

/**
 * Tries combinations of conditions on a subject: for each, the path's entries are written and the page invalidated as the
 * surroundings say, a neighbour runs where there is one, the access is made (after a supervisor read, where it is made twice), and
 * fault, error code, address and entries are compared with what the reference model says. Allocates nothing as long as
 * nothing fails.
 */
export class AccessRun {
  cases = 0;
  failures = 0;
  /** Cases in which a fault set the directory's accessed flag, as it may. */
  accessedByFault = 0;
  readonly told: string[] = [];

  readonly #subject: Subject;
  readonly #levels: Levels;
  readonly #high: number;
  readonly #invalidate: () => void;
  readonly #neighbour: Neighbour | null;
  readonly #flushedAtSwitch: boolean;
  /** The halves of the path's entries as they were last written or read. */
  readonly #entries = new Int32Array(HALVES);
  #entriesKnown = false;
  readonly #model = new ReferenceModel();

  /** @param neighbour where another machine runs between cases, a subject for it */
  constructor(subject: Subject, levels: Levels, surroundings: Surroundings, neighbour: Subject | null) {
    this.#subject = subject;
    this.#levels = levels;
    this.#high = linearHigh(levels);
    subject.setControls(cr0(0), cr4(0, levels), efer(0), pkru(0));
    const root = layPath(subject, levels);
    const { invalidation } = surroundings;
    this.#invalidate =
      invalidation === null ? () => {} : invalidator(invalidation, subject, root, this.#high, LINEAR_LOW);
    this.#neighbour = neighbour === null ? null : new Neighbour(neighbour, levels);
    this.#flushedAtSwitch = surroundings.flushedAtSwitch;
  }

  /** Tries one legal combination. What the subject throws is a failure too. */
  try(conditions: number): void {
    this.cases++;
    try {
      this.#prepare(conditions);
      if (this.#neighbour !== null) this.#leaveTo(this.#neighbour);
      this.#run(conditions);
    } catch (error) {
      this.#failed(conditions, "", String(error));
    }
  }

  #run(conditions: number): void {
    // Nothing looks at the entries between the two accesses: flags that an engine keeps to itself are still with it.
    let now = conditions;
    if ((conditions & ACCESS_TWICE) !== 0) {
      if (!this.#access(conditions & FIRST_READ, conditions, "first read: ")) return;
      now |= this.#model.after;
    }
    if (this.#access(now, conditions, "")) this.#compareEntries(conditions);
  }

  /** The other machine's turn, after all flushes of this one: what it leaves in the TLB is what the access could meet. */
  #leaveTo(neighbour: Neighbour): void {
    if (this.#flushedAtSwitch) this.#subject.invalidatePcid(2, 0, 0, 0);
    neighbour.run();
    if (this.#flushedAtSwitch) neighbour.flush();
  }

  #prepare(conditions: number): void {
    this.#write(PDPTE_LOW, PDPTE_ADDRESS, pdpteLow(conditions));
    this.#write(PDE_LOW, PDE_ADDRESS, pdeLow(conditions));
    this.#write(PDE_HIGH, PDE_ADDRESS + 4, pdeHigh(conditions));
    this.#write(PTE_LOW, PTE_ADDRESS, pteLow(conditions));
    this.#write(PTE_HIGH, PTE_ADDRESS + 4, pteHigh(conditions));
    this.#entriesKnown = true;
    this.#subject.setControls(cr0(conditions), cr4(conditions, this.#levels), efer(conditions), pkru(conditions));
    this.#invalidate();
  }

  #write(half: number, address: number, value: number): void {
    if (this.#entriesKnown && this.#entries[half] === value) return;
    this.#subject.writeWord(address, value);
    this.#entries[half] = value;
  }

  /** @returns whether the access went as the model says; what it did to the entries is not looked at */
  #access(now: number, whole: number, when: string): boolean {
    const model = this.#model;
    const subject = this.#subject;
    model.access(now);
    const allowed = subject.access(this.#high, LINEAR_LOW, accessOf(now));
    if (allowed === model.faults) return this.#failed(whole, when, allowed ? "allowed" : this.#faultText());
    if (!allowed)
      return (
        (subject.fault === FAULT_PAGE && subject.errorCode === model.errorCode) ||
        this.#failed(whole, when, this.#faultText())
      );
    const target = (now & PDE_LARGE) !== 0 ? LARGE_TARGET : SMALL_TARGET;
    return (
      subject.physicalAddress === target ||
      this.#failed(whole, when, `went to ${hexText(subject.physicalAddress)}, not ${hexText(target)}`)
    );
  }

  #compareEntries(whole: number): boolean {
    const model = this.#model;
    const entries = this.#entries;
    this.#read(PDPTE_LOW, PDPTE_ADDRESS);
    this.#read(PDE_LOW, PDE_ADDRESS);
    this.#read(PTE_LOW, PTE_ADDRESS);
    const pde = entries[PDE_LOW]!;
    const pte = entries[PTE_LOW]!;
    let { after } = model;
    if (model.faults && model.directoryMayBeAccessed && pde !== pdeLow(after)) {
      this.accessedByFault++;
      after |= PDE_ACCESSED;
    }
    if (pde !== pdeLow(after)) return this.#failed(whole, "", `PDE is ${hexText(pde)}, not ${hexText(pdeLow(after))}`);
    if (pte !== pteLow(after)) return this.#failed(whole, "", `PTE is ${hexText(pte)}, not ${hexText(pteLow(after))}`);
    const othersStand =
      entries[PDE_HIGH] === pdeHigh(after) &&
      entries[PTE_HIGH] === pteHigh(after) &&
      entries[PDPTE_LOW] === pdpteLow(after) &&
      entries[PDPTE_HIGH] === 0;
    return othersStand || this.#failed(whole, "", "bits of an entry changed that are no flags");
  }

  /** @param low place of the entry's lower half; the upper one follows it */
  #read(low: number, address: number): void {
    const subject = this.#subject;
    subject.readEntry(address);
    this.#entries[low] = subject.entryLow;
    this.#entries[low + 1] = subject.entryHigh;
  }

  #faultText(): string {
    const { fault, errorCode } = this.#subject;
    return fault === FAULT_PAGE ? `#PF with error code ${hexText(errorCode)}` : `refused for reason ${fault}`;
  }

  #failed(conditions: number, when: string, what: string): false {
    this.failures++;
    this.#entriesKnown = false;
    if (this.told.length < TOLD_FAILURES) {
      const { faults, errorCode } = this.#model;
      const expected = faults ? `#PF with error code ${hexText(errorCode)}` : "allowed";
      this.told.push(`[${conditionsText(conditions)}] ${when}${what}; expected: ${expected}`);
    }
    return false;
  }
}

function hexText(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}
