import { REQUEST_CLASSES, type RequestClass } from "../request.ts";

/** Transfers that each class may have in a round, whatever the others want. */
const SLOTS: Readonly<Record<RequestClass, number>> = {
  critical: 64,
  high: 32,
  interactive: 24,
  normal: 16,
  background: 6,
  low: 3,
  idle: 1,
};

/** The slots of a round: a class that has used its own waits until those that have not are served, or have nothing to ask for. */
export class ClassSlots {
  readonly #slots: Readonly<Record<RequestClass, number>>;
  readonly #left: Record<RequestClass, number>;

  constructor(slots: Readonly<Record<RequestClass, number>> = SLOTS) {
    this.#slots = slots;
    this.#left = { ...slots };
  }

  has(requestClass: RequestClass): boolean {
    return this.#left[requestClass] > 0;
  }

  use(requestClass: RequestClass): void {
    this.#left[requestClass]--;
  }

  refill(): void {
    for (const name of REQUEST_CLASSES) this.#left[name] = this.#slots[name];
  }
}
