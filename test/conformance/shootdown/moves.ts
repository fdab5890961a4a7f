import { ABSENT, type AllowedTranslations, isWritable } from "./allowed-translations.ts";
import type { ShootdownMachine } from "./machine.ts";
import { edit, everyStep, flushList, isAccess, MOVE, type Observed, PAGES, RAISE, type Step, UNMAP } from "./step.ts";

/** What an access finds: the place that is looked at as it is, and elsewhere one of three things. */
const HERE = 0;
const FILLS = 1;
const FAULTS = 2;
const STANDS = 3;
const HITS = 4;

/** A step of the alphabet; of accesses, one of the things that it can come to. */
export interface Move {
  readonly step: Step;
  readonly comesTo: typeof HERE | typeof FILLS | typeof FAULTS | typeof STANDS | typeof HITS;
}

/** Every step there is, as everything that it can come to. */
export function everyMove(machine: ShootdownMachine): Move[] {
  const { processors, engine } = machine.kind;
  return everyStep(processors, engine === "shadow").flatMap((step) =>
    isAccess(step)
      ? ([HERE, FILLS, FAULTS, STANDS, HITS] as const).map((comesTo) => ({ step, comesTo }))
      : [{ step, comesTo: HERE }],
  );
}

/**
 * Makes moves on a machine of which one processor's accesses to one page of one space are looked at. All else is surroundings, and
 * what they are like is not remembered; so that all of it is covered nevertheless, they are made to do each thing they can do:
 *
 * - An access elsewhere reaches the observed page by nothing but what it does on its way: it takes word that was left, has a
 *   page table compared, fills neighbours ahead, needs slots of the TLB. So it comes three times: the page stands in the shadow tables
 *   (all that is compared is compared), it has to be filled (and whatever is filled ahead is), it faults (and is forgotten).
 *   The surroundings are brought there by steps of the alphabet, which do nothing to the observed page.
 * - Slots of the TLB other than the observed are displaced after every move, as accesses elsewhere might. A hit in one of them
 *   would have done nothing that is seen here, so what a machine with them does, this one does with that step left out.
 */
export class MovedMachine {
  readonly machine: ShootdownMachine;
  readonly allowed: AllowedTranslations;
  readonly observed: Observed;
  /** All steps since the reset. */
  readonly steps: Step[] = [];
  /** Of the last access: REFUSED, or the number of a frame. */
  outcome = 0;
  /** Whether no access since the reset came to what is not allowed. */
  isSound = true;
  readonly #another: number;

  constructor(machine: ShootdownMachine, allowed: AllowedTranslations, observed: Observed) {
    this.machine = machine;
    this.allowed = allowed;
    this.observed = observed;
    this.#another = observed.processor === 0 ? 1 : 0;
  }

  reset(): void {
    this.machine.reset();
    this.allowed.reset();
    this.steps.length = 0;
    this.isSound = true;
    this.#displace();
  }

  /** @returns false for what is no move here: an access elsewhere as if it were here, or the other way round */
  make({ step, comesTo }: Move): boolean {
    if (isAccess(step)) {
      const space = this.machine.spaceOf(step.processor);
      const isHere = space === this.observed.space && step.page === this.observed.page;
      if (isHere !== (comesTo === HERE)) return false;
      if (comesTo === STANDS || comesTo === HITS) this.machine.touchBystander(step.processor);
      if (comesTo === HITS) this.machine.touchBystander(step.processor);
      if (comesTo < STANDS) {
        if (comesTo !== HERE) this.#prepare(space, step.page, comesTo === FILLS);
        this.take(step);
      }
    } else this.take(step);
    this.#displace();
    return true;
  }

  /** One step, and nothing around it. */
  take(step: Step): void {
    const outcome = this.machine.perform(step);
    this.steps.push(step);
    if (!isAccess(step)) this.allowed.take(step);
    else {
      this.outcome = outcome;
      if (!this.allowed.allows(step, outcome)) this.isSound = false;
    }
  }

  /** A page elsewhere is mapped with all rights, or not at all, and is not in the shadow tables. */
  #prepare(space: number, page: number, mapped: boolean): void {
    const value = this.allowed.value(space, page);
    if (!mapped && value !== ABSENT) this.take(edit(UNMAP, space, page));
    if (mapped && value === ABSENT) this.take(edit(MOVE, space, page));
    if (mapped && value !== ABSENT && !isWritable(value)) this.take(edit(RAISE, space, page));
    if (this.machine.calls !== null) this.take(flushList(space, page, 1, 1 << this.#another));
  }

  #displace(): void {
    const { machine, observed } = this;
    for (const [processor, engine] of machine.engines.entries()) {
      for (let page = 0; page < PAGES; page++)
        if (processor !== observed.processor || page !== observed.page) engine.displace(page);
      machine.displaceBystander(processor);
    }
    for (const write of [false, true])
      if (machine.cached(observed.processor, 1 - observed.space, observed.page, write) !== 0)
        machine.engines[observed.processor]!.displaceSlot(observed.page, write);
  }
}
