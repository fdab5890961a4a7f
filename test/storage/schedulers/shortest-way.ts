import { wayOf } from "../../../src/storage/index.ts";
import { assign, cyclesOf } from "./assignment.ts";
import { TourBound } from "./tour-bound.ts";

/** Turns of raising the bound: of all ways, and of those that end at one stop or have lost arcs. */
const TURNS_OF_ALL = 200;
const TURNS = 25;
/** Milliseconds that doubles are sure to tell apart. */
const ROUNDING = 1e-6;

/**
 * The shortest way through all stops, by branch and bound. At a stop the platters are at its angle, so that all ways that end at one differ
 * by whole rotations: what is to be shown is that none takes the next fewer. Of what the bound leaves, the smallest cycle of the best
 * assignment lacks an arc (Carpaneto and Toth 1980). For as many stops as it can.
 */
export class ShortestWay {
  readonly #size: number;
  readonly #bound: TourBound;
  readonly #mostNodes: number;
  #nodes = 0;
  #least: number;
  /** Of any assignment of stops to those before them. */
  readonly assignment: number;
  /** Of any way: the assignment bound, raised. */
  readonly lower: number;
  /** Milliseconds of the shortest way; null where it is not found in so many nodes. */
  readonly least: number | null;

  /** Times lie as `wayTimes` gives them; the known way is one that some order has. */
  constructor(
    times: Float64Array,
    stops: number,
    rotation: number,
    known: number,
    mostNodes = Number.POSITIVE_INFINITY,
  ) {
    this.#size = stops + 1;
    this.#bound = new TourBound(this.#size);
    this.#mostNodes = mostNodes;
    this.#least = known;
    const costs = closedWays(times, stops);
    this.assignment = assign(costs, this.#size).cost;
    this.lower = Math.min(known, this.#bound.raise(costs, known + ROUNDING, TURNS_OF_ALL));
    for (let end = 0; end < stops; end++) {
      const others = Array.from({ length: stops }, (_, stop) => stop).filter((stop) => stop !== end);
      const some = wayOf([...others, end], times, stops);
      for (let before = Number.POSITIVE_INFINITY; this.#least < before; ) {
        before = this.#least;
        const fewer = some + rotation * (Math.ceil((before - ROUNDING - some) / rotation) - 1);
        if (this.lower > fewer + ROUNDING) break;
        const ending = costs.slice();
        fix(ending, this.#size, end, stops);
        this.#search(ending, fewer + ROUNDING);
      }
    }
    this.least = this.#nodes > this.#mostNodes ? null : this.#least;
  }

  /** Looks for tours that cost less than the limit. */
  #search(costs: Float64Array, limit: number): void {
    const size = this.#size;
    if (++this.#nodes > this.#mostNodes || this.#bound.raise(costs, limit, TURNS) >= limit) return;
    const assignment = assign(costs, size);
    if (assignment.cost >= limit) return;
    const { cycleOf, cycles } = cyclesOf(assignment);
    if (cycles === 1) {
      this.#least = Math.min(this.#least, assignment.cost);
      return;
    }
    const free: number[][] = Array.from({ length: cycles }, () => []);
    for (let row = 0; row < size; row++)
      if (costs.subarray(row * size, (row + 1) * size).filter(Number.isFinite).length > 1)
        free[cycleOf[row]!]!.push(row);
    for (const row of free.toSorted((one, other) => one.length - other.length)[0]!) {
      const column = assignment.columnOf[row]!;
      const without = costs.slice();
      without[row * size + column] = Number.POSITIVE_INFINITY;
      this.#search(without, limit);
      fix(costs, size, row, column);
    }
  }
}

/** The ways as those of a closed tour: from the last stop to where the heads are at no cost. */
function closedWays(times: Float64Array, stops: number): Float64Array {
  const size = stops + 1;
  return Float64Array.from({ length: size * size }, (_, arc) => {
    const [from, to] = [Math.floor(arc / size), arc % size];
    if (to === stops) return from === stops ? Number.POSITIVE_INFINITY : 0;
    return times[from * stops + to]!;
  });
}

/** Forbids all arcs that would go from a row or to a column beside the one from this row to this column. */
function fix(costs: Float64Array, size: number, row: number, column: number): void {
  for (let other = 0; other < size; other++) {
    if (other !== column) costs[row * size + other] = Number.POSITIVE_INFINITY;
    if (other !== row) costs[other * size + column] = Number.POSITIVE_INFINITY;
  }
}
