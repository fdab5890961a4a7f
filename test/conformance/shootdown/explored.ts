import { Coverage } from "./coverage.ts";
import { Exploration } from "./exploration.ts";
import { type MachineKind, ShootdownMachine } from "./machine.ts";
import { Random } from "./random.ts";
import type { Observed } from "./step.ts";

const FIRST: Observed = { processor: 0, space: 0, page: 0 };
/** Longer than the longest way to any state: an exploration closes before. */
const ANY_DEPTH = 100;
const WALKS = 2000;
const ENUMERATED = 2;
const SEED = 3;

/** The shadow tables, and processors with a TLB each. With three processors the first takes minutes, so these come first. */
export const EVERY_KIND: readonly MachineKind[] = (["shadow", "tlb"] as const).flatMap((engine) =>
  [3, 2].flatMap((processors) =>
    [false, true].flatMap((touched) =>
      [false, true].map((identifiers) => ({ engine, processors, identifiers, touched })),
    ),
  ),
);

/** What became of one kind of machine. */
export interface Explored {
  readonly states: number;
  readonly moves: number;
  /** Moves to the states that are farthest away. */
  readonly depth: number;
  readonly isClosed: boolean;
  readonly failures: number;
  /** Times that a processor's engine ran though it did not translate. */
  readonly wakes: number;
  readonly told: readonly string[];
  /** Steps made on plain machines, and what led them out of what was explored. */
  readonly plainSteps: number;
  readonly outside: string | null;
}

/** All states of a kind, and then plain machines held against them. @param progress states found and moves made, at each depth */
export function explored(
  kind: MachineKind,
  progress: (depth: number, states: number, moves: number) => void,
): Explored {
  const machine = new ShootdownMachine(kind);
  const exploration = new Exploration(machine, FIRST);
  exploration.run(ANY_DEPTH, { progress: (depth) => progress(depth, exploration.states, exploration.moves) });
  const coverage = new Coverage(kind, exploration);
  coverage.walk(WALKS, new Random(SEED));
  coverage.enumerate(ENUMERATED);
  const { states, moves, found, isClosed, failures, told } = exploration;
  return {
    ...{ states, moves, depth: found.length - 1, isClosed, failures, told, wakes: machine.wakes },
    ...{ plainSteps: coverage.steps, outside: coverage.outside },
  };
}

export const kindName = ({ engine, processors, identifiers, touched }: MachineKind): string =>
  `${engine}, ${processors} processors, ${identifiers ? "process-context identifiers" : "no identifiers"}, entries ${touched ? "touched before" : "untouched"}`;
