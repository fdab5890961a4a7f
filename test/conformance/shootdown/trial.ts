import { AllowedTranslations } from "./allowed-translations.ts";
import type { ShootdownMachine } from "./machine.ts";
import { isAccess, type Step, told } from "./step.ts";

const TOLD_FAILURES = 5;

/** Runs sequences on a machine, and holds each access against what is allowed. */
export class Trial {
  cases = 0;
  failures = 0;
  /** The first failures, in words. */
  readonly told: string[] = [];
  readonly #machine: ShootdownMachine;
  readonly #allowed: AllowedTranslations;

  constructor(machine: ShootdownMachine) {
    this.#machine = machine;
    this.#allowed = new AllowedTranslations(machine.kind.processors, machine.kind.identifiers);
  }

  readonly run = (steps: readonly Step[]): void => {
    const machine = this.#machine;
    const allowed = this.#allowed;
    this.cases++;
    machine.reset();
    allowed.reset();
    for (let index = 0; index < steps.length; index++) {
      const step = steps[index]!;
      const outcome = machine.perform(step);
      if (!isAccess(step)) allowed.take(step);
      else if (!allowed.allows(step, outcome)) {
        this.#fail(
          `${steps
            .slice(0, index + 1)
            .map(told)
            .join("; ")}: ${outcome}`,
        );
        return;
      }
    }
    if (machine.wakes > 0) {
      machine.wakes = 0;
      this.#fail(`${steps.map(told).join("; ")}: a processor was woken`);
    }
  };

  #fail(what: string): void {
    this.failures++;
    if (this.told.length < TOLD_FAILURES) this.told.push(what);
  }
}
