import { type Assignment, assign, cyclesOf } from "./assignment.ts";

/** Turns without a better bound until steps become shorter. */
const PATIENCE = 5;
const SHORTER = 1.5;
const SHORTEST = 0.02;

/** Stops that every tour leaves, and what is taken off each arc that does. */
interface Cut {
  readonly inside: Uint8Array;
  weight: number;
}

/**
 * A lower bound of closed tours: the assignment bound, raised by Lagrange multipliers for the cycles that assignments fall into (Balas and
 * Christofides 1981). Multipliers are kept from call to call, since what is asked next mostly differs in a few arcs.
 */
export class TourBound {
  readonly #size: number;
  readonly #charged: Float64Array;
  readonly #cuts = new Map<string, Cut>();

  constructor(size: number) {
    this.#size = size;
    this.#charged = new Float64Array(size * size);
  }

  /** The highest bound in so many steps along the subgradient. Forbids each arc that no tour shorter than the limit has. */
  raise(costs: Float64Array, limit: number, turns: number): number {
    let highest = Number.NEGATIVE_INFINITY;
    let kept = new Map<string, Cut>();
    let length = 1;
    for (let turn = 0, since = 0; turn < turns && length >= SHORTEST; turn++) {
      const sum = this.#charge(costs);
      const assignment = assign(this.#charged, this.#size);
      const bound = assignment.cost + sum;
      if (bound > highest) {
        highest = bound;
        since = 0;
        kept = new Map([...this.#cuts].filter(([, { weight }]) => weight > 0).map(([key, cut]) => [key, { ...cut }]));
        if (bound >= limit) break;
        this.#forbid(costs, assignment, limit - bound);
      } else if (++since === PATIENCE) {
        length /= SHORTER;
        since = 0;
      }
      if (!this.#step(assignment, length * (limit - bound))) break;
    }
    this.#cuts.clear();
    for (const [key, cut] of kept) this.#cuts.set(key, cut);
    return highest;
  }

  #charge(costs: Float64Array): number {
    const [charged, size] = [this.#charged, this.#size];
    charged.set(costs);
    let sum = 0;
    for (const { inside, weight } of this.#cuts.values()) {
      sum += weight;
      for (let row = 0; row < size; row++)
        for (let column = 0; column < size; column++)
          if (inside[row]! > inside[column]!) charged[row * size + column] = charged[row * size + column]! - weight;
    }
    return sum;
  }

  #forbid(costs: Float64Array, { ofRows, ofColumns }: Assignment, left: number): void {
    for (let row = 0, arc = 0; row < this.#size; row++)
      for (let column = 0; column < this.#size; column++, arc++)
        if (this.#charged[arc]! - ofRows[row]! - ofColumns[column]! > left) costs[arc] = Number.POSITIVE_INFINITY;
  }

  /** More weight to what the assignment does not leave, less to what it leaves more than once; false where nothing is to be changed. */
  #step(assignment: Assignment, way: number): boolean {
    const { cycleOf, cycles } = cyclesOf(assignment);
    for (let cycle = 0; cycle < cycles && cycles > 1; cycle++) {
      const inside = Uint8Array.from(cycleOf, (one) => (one === cycle ? 1 : 0));
      const key = inside.join("");
      if (!this.#cuts.has(key)) this.#cuts.set(key, { inside, weight: 0 });
    }
    const steps = [...this.#cuts.values()].map(({ inside, weight }) => {
      const times = assignment.columnOf.reduce((sum, column, row) => sum + (inside[row]! > inside[column]! ? 1 : 0), 0);
      return weight === 0 && times > 1 ? 0 : 1 - times;
    });
    const norm = steps.reduce((sum, step) => sum + step ** 2, 0);
    if (norm === 0) return false;
    let index = 0;
    for (const cut of this.#cuts.values()) cut.weight = Math.max(0, cut.weight + (way / norm) * steps[index++]!);
    return true;
  }
}
