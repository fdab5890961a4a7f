import { AllowedTranslations } from "./allowed-translations.ts";
import type { Exploration } from "./exploration.ts";
import { Fingerprint } from "./fingerprint.ts";
import { type MachineKind, ShootdownMachine } from "./machine.ts";
import type { Random } from "./random.ts";
import { everyStep, isAccess, type Observed, PAGES, SPACES, type Step, told } from "./step.ts";

const WALK = 40;

/**
 * Plain machines, on which nothing is displaced or prepared, held against what an exploration has gone into: after each step, every
 * state that one of their processors is in towards one of their pages has to be among it. So is shown that the surroundings
 * do nothing that the exploration leaves out, and that numbers of processors, pages and spaces mean nothing.
 */
export class Coverage {
  steps = 0;
  /** The first sequence that led out of what was explored, or to what is not allowed; in words. */
  outside: string | null = null;
  readonly #exploration: Exploration;
  readonly #machine: ShootdownMachine;
  readonly #allowed: AllowedTranslations;
  readonly #everyStep: readonly Step[];
  readonly #observed: readonly { readonly observed: Observed; readonly fingerprint: Fingerprint }[];
  readonly #taken: Step[] = [];

  constructor(kind: MachineKind, exploration: Exploration) {
    this.#exploration = exploration;
    this.#machine = new ShootdownMachine(kind);
    this.#allowed = new AllowedTranslations(kind.processors, kind.identifiers);
    this.#everyStep = everyStep(kind.processors, kind.engine === "shadow");
    this.#reset();
    this.#observed = everyObserved(kind.processors).map((observed) => ({
      observed,
      fingerprint: new Fingerprint(this.#machine, observed),
    }));
  }

  /** Every sequence of so many steps, and so all shorter ones. */
  enumerate(length: number, before: readonly Step[] = []): void {
    for (const step of this.#everyStep) {
      const steps = [...before, step];
      if (length > 1) this.enumerate(length - 1, steps);
      else {
        this.#reset();
        for (const each of steps) this.#take(each);
      }
    }
  }

  /** Random sequences of 40 steps. */
  walk(walks: number, random: Random): void {
    const accesses = this.#everyStep.filter(isAccess);
    const others = this.#everyStep.filter((step) => !isAccess(step));
    for (let count = 0; count < walks; count++) {
      this.#reset();
      for (let length = 0; length < WALK; length++) {
        const from = random.below(2) === 0 ? accesses : others;
        this.#take(from[random.below(from.length)]!);
      }
    }
  }

  #reset(): void {
    this.#machine.reset();
    this.#allowed.reset();
    this.#taken.length = 0;
  }

  #take(step: Step): void {
    const outcome = this.#machine.perform(step);
    this.#taken.push(step);
    this.steps++;
    if (!isAccess(step)) this.#allowed.take(step);
    else if (!this.#allowed.allows(step, outcome)) this.#tell(`${outcome} is not allowed`);
    for (const { observed, fingerprint } of this.#observed)
      if (!this.#exploration.covers(fingerprint.take(), this.#allowed.allowed(observed)))
        this.#tell(`not explored for processor ${observed.processor}, ${observed.space}/${observed.page}`);
  }

  #tell(what: string): void {
    this.outside ??= `${this.#taken.map(told).join("; ")}: ${what}`;
  }
}

/** Everything that can be looked at. */
export function everyObserved(processors: number): Observed[] {
  return [...Array(processors * SPACES * PAGES).keys()].map((number) => ({
    processor: Math.floor(number / (SPACES * PAGES)),
    space: Math.floor(number / PAGES) % SPACES,
    page: number % PAGES,
  }));
}
