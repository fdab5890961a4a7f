import { type Distribution, drawTime } from "./distribution.ts";
import type { RequestGenerator, SyntheticRequest } from "./generator.ts";
import type { Rand48 } from "./rand48.ts";

/** What a process does next, `after` so many milliseconds of computing. */
export type Step =
  | { readonly kind: "ask" | "wait"; after: number; readonly request: SyntheticRequest }
  | { readonly kind: "think"; after: number };

type Wait = Step & { readonly kind: "wait" };

/**
 * A process that computes and asks. It keeps its processor while it computes, and gives it up only to wait for an answer: so one
 * that never waits is the only one that its processor ever runs.
 * Source: DiskSim 4.0 reference manual, "Process-flow simulator"; the order of things is DiskSim's.
 */
export class SyntheticProcess {
  readonly steps: Step[] = [];
  readonly #generator: RequestGenerator;
  readonly #patience: Distribution;
  readonly #random: Rand48;
  /** Waits that come when patience ends, each so long after the one before it. */
  readonly #limits: Wait[] = [];

  constructor(generator: RequestGenerator, patience: Distribution, random: Rand48) {
    this.#generator = generator;
    this.#patience = patience;
    this.#random = random;
    this.steps.push({ kind: "think", after: 0 });
    this.#append(generator.first());
  }

  /** Puts its next request before all that it has to do. */
  think(): void {
    this.steps.unshift({ kind: "think", after: 0 });
    this.#append(this.#generator.next());
  }

  #append(request: SyntheticRequest): void {
    const ask: Step = { kind: "ask", after: request.pause, request };
    if (request.urgency === "critical") this.steps.unshift({ kind: "wait", after: 0, request });
    else if (request.urgency === "limited")
      this.#limit({ kind: "wait", after: drawTime(this.#patience, this.#random) + ask.after, request });
    // Patience that ends before the process asks: it counts from the last request on, though others were made since.
    const before: Step[] = [];
    while (this.#limits.length > 0 && this.#limits[0]!.after < ask.after) {
      const limit = this.#limits.shift()!;
      ask.after -= limit.after;
      before.push(limit);
    }
    this.steps.unshift(...before, ask);
  }

  #limit(wait: Wait): void {
    const limits = this.#limits;
    let at = 0;
    while (at < limits.length && wait.after >= limits[at]!.after) wait.after -= limits[at++]!.after;
    if (at < limits.length) limits[at]!.after -= wait.after;
    limits.splice(at, 0, wait);
  }
}
