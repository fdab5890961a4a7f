import { AllowedTranslations } from "./allowed-translations.ts";
import { Fingerprint } from "./fingerprint.ts";
import type { ShootdownMachine } from "./machine.ts";
import { everyMove, type Move, MovedMachine } from "./moves.ts";
import { type Observed, told } from "./step.ts";

const TOLD_FAILURES = 5;
/** By a set of allowed values, a bit for each of its subsets. Sets of five values. */
const SUBSETS = Int32Array.from({ length: 32 }, (_, set) => {
  let bits = 0;
  for (let subset = 0; subset < 32; subset++) if ((subset & ~set) === 0) bits |= 1 << subset;
  return bits;
});

export interface RunOptions {
  /** Is told whenever all states of so many moves have been found. */
  readonly progress?: (depth: number) => void;
  readonly untilFailure?: boolean;
}

/**
 * Explores all states that accesses of one processor to one page of one space can tell apart, breadth first: from each one every move
 * is made, once. A state is what the machine's fingerprint says and what is allowed there; where less was allowed to the same
 * machine before, nothing new can fail, and it is not gone into.
 *
 * The machine is the real one; to come back to a state, its moves are made again, and it has to be the same state.
 */
export class Exploration {
  /** By number of moves, how many states were found. */
  readonly found: number[] = [];
  /** Moves that were made from states. */
  moves = 0;
  failures = 0;
  /** Whether no state is left to go on from: then what holds, holds for any number of steps. */
  isClosed = false;
  /** The first failures, in words. */
  readonly told: string[] = [];

  readonly #stage: MovedMachine;
  readonly #fingerprint: Fingerprint;
  readonly #everyMove: readonly Move[];
  /** By fingerprint, a bit for each set of allowed values. */
  readonly #known = new Map<number, number>();
  /** Of each state, its moves, and what it has to be. */
  readonly #paths: Uint16Array[] = [];
  readonly #marks: number[] = [];
  /** All states before have been gone on from; those of fewer moves at least. */
  #next = 0;
  #depth = 0;

  constructor(machine: ShootdownMachine, observed: Observed) {
    const allowed = new AllowedTranslations(machine.kind.processors, machine.kind.identifiers);
    this.#stage = new MovedMachine(machine, allowed, observed);
    this.#everyMove = everyMove(machine);
    this.#stage.reset();
    this.#fingerprint = new Fingerprint(machine, observed);
    this.#visit(new Uint16Array(0), this.#fingerprint.take());
  }

  get states(): number {
    return this.#paths.length;
  }

  /** Fingerprints, without what is allowed. */
  get machineStates(): number {
    return this.#known.size;
  }

  /** Whether a state of a machine was gone into, or one that is alike and allows less. */
  covers(fingerprint: number, allowed: number): boolean {
    return ((this.#known.get(fingerprint) ?? 0) & SUBSETS[allowed]!) !== 0;
  }

  /** Goes on to states of so many moves, or to the last, or to the first failure if that is wanted. */
  run(depth: number, { progress = () => {}, untilFailure = false }: RunOptions = {}): void {
    while (this.#depth < depth && !this.isClosed) {
      const end = this.#paths.length;
      for (; this.#next < end; this.#next++) {
        this.#expand(this.#next);
        if (untilFailure && this.failures > 0) return;
      }
      this.#depth++;
      this.isClosed = end === this.#paths.length;
      progress(this.#depth);
    }
  }

  #expand(state: number): void {
    const stage = this.#stage;
    const path = this.#paths[state]!;
    let isThere = false;
    for (let number = 0; number < this.#everyMove.length; number++) {
      if (!isThere) this.#goTo(state);
      isThere = true;
      if (!stage.make(this.#everyMove[number]!)) continue;
      this.moves++;
      const fingerprint = this.#fingerprint.take();
      // A move that changes nothing leaves the machine where it was.
      isThere = this.#markOf(fingerprint) === this.#marks[state] && stage.isSound;
      if (!stage.isSound) this.#fail(`${stage.steps.map(told).join("; ")}: ${stage.outcome}`);
      else if (!isThere) this.#visit(Uint16Array.of(...path, number), fingerprint);
    }
  }

  #goTo(state: number): void {
    const stage = this.#stage;
    stage.reset();
    for (const number of this.#paths[state]!) stage.make(this.#everyMove[number]!);
    if (this.#markOf(this.#fingerprint.take()) !== this.#marks[state])
      throw new Error(`the fingerprint leaves something out: ${stage.steps.map(told).join("; ")}`);
  }

  #markOf(fingerprint: number): number {
    return fingerprint * 32 + this.#stage.allowed.allowed(this.#stage.observed);
  }

  #visit(path: Uint16Array, fingerprint: number): void {
    const allowed = this.#stage.allowed.allowed(this.#stage.observed);
    if (this.covers(fingerprint, allowed)) return;
    this.#known.set(fingerprint, (this.#known.get(fingerprint) ?? 0) | (1 << allowed));
    this.#paths.push(path);
    this.#marks.push(this.#markOf(fingerprint));
    this.found[path.length] = (this.found[path.length] ?? 0) + 1;
  }

  #fail(what: string): void {
    this.failures++;
    if (this.told.length < TOLD_FAILURES) this.told.push(what);
  }
}
