import type { MachineKind } from "./machine.ts";
import { eachInterleaving, eachSequence, type Sequences, type Visit } from "./sequences.ts";
import {
  ALL_SPACES,
  edit,
  flushList,
  flushSpace,
  invlpg,
  LOWER,
  MOVE,
  movCr3,
  PAGES,
  RAISE,
  read,
  SPACES,
  type Step,
  switchTo,
  UNMAP,
  write,
} from "./step.ts";

/** Sequences of one kind, on machines of one kind. */
export interface Family {
  readonly name: string;
  readonly machine: MachineKind;
  /** So many sequences there are. */
  readonly cases: number;
  readonly each: (visit: Visit) => void;
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

const reads = (processor: number) => upTo(PAGES).map((page) => read(processor, page));
const writes = (processor: number) => upTo(PAGES).map((page) => write(processor, page));

type WarmUps = "reads" | "all";

/**
 * What caches can be like before the steps of a sequence. `reads`: every page of the first space read by all. `all`: empty; every
 * page written by all; both spaces read by all, and the second left; reads in every distribution of the processors over
 * the spaces (of the second and the third processor, where they differ, one way).
 */
function warmUps(processors: number, which: WarmUps): Step[][] {
  const all = upTo(processors);
  if (which === "reads") return [all.flatMap(reads)];
  const left = all.flatMap((processor) => [
    movCr3(processor, 1),
    ...reads(processor),
    switchTo(processor, 0),
    ...reads(processor),
  ]);
  const distributions = upTo(SPACES ** processors)
    .map((number) => all.map((processor) => (number >> processor) & 1))
    .filter(([, second, third]) => third === undefined || second! <= third);
  return [
    [],
    all.flatMap(writes),
    left,
    ...distributions.map((spaces) => [
      ...all.filter((processor) => spaces[processor] === 1).map((processor) => movCr3(processor, 1)),
      ...all.flatMap(reads),
    ]),
  ];
}

/** All sequences of so many steps, after each of some warm-ups. */
function sequences(
  machine: MachineKind,
  length: number,
  warm: WarmUps,
  alike: Sequences["alike"],
  cases: number,
): Family {
  const { engine, processors, identifiers, touched } = machine;
  const chosen = warmUps(processors, warm);
  const words = [
    `${engine}, ${processors} processors`,
    identifiers ? "with PCIDs" : "without PCIDs",
    ...(touched ? ["entries touched before"] : []),
    `all sequences of ${length} steps after ${chosen.length === 1 ? `"${warm}"` : `${chosen.length} warm-ups`}`,
    `${alike} alike`,
  ];
  const hypercalls = engine === "shadow";
  return {
    name: words.join(", "),
    machine,
    cases,
    each: (visit) => {
      for (const warmUp of chosen) eachSequence({ processors, hypercalls, warmUp, length, alike }, visit);
    },
  };
}

const ALL = 7;
const FLUSHES = [
  flushList(0, 0, 1, ALL),
  flushSpace(0, ALL),
  flushList(ALL_SPACES, 0, 2, ALL),
  flushSpace(ALL_SPACES, ALL),
];
const CHANGES = [
  [UNMAP, MOVE],
  [MOVE, MOVE],
  [LOWER, RAISE],
  [MOVE, UNMAP],
] as const;

/** Two changes of one entry, each flushed for all; and one each of two entries. */
const changers = (): Step[][] => [
  ...CHANGES.flatMap(([first, second]) =>
    FLUSHES.map((flush) => [edit(first, 0, 0), flush, edit(second, 0, 0), flush]),
  ),
  [edit(MOVE, 0, 0), flushList(0, 0, 1, ALL), edit(MOVE, 0, 1), flushList(0, 1, 1, ALL)],
];

/** Of three steps, by one who looks on. */
const onlookers = (processor: number): Step[][] => [
  [read(processor, 0), read(processor, 0), read(processor, 0)],
  [read(processor, 0), write(processor, 0), read(processor, 0)],
  [read(processor, 0), switchTo(processor, 1), switchTo(processor, 0)],
  [switchTo(processor, 1), switchTo(processor, 0), read(processor, 0)],
  [read(processor, 0), movCr3(processor, 0), write(processor, 0)],
  [read(processor, 0), invlpg(processor, 0), read(processor, 0)],
  [read(processor, 1), write(processor, 0), read(processor, 1)],
];

/** Words of five over a read, a write, and going to the other space and back. */
function wanderers(processor: number): Step[][] {
  return upTo(3 ** 5).map((word) => {
    let space = 0;
    return upTo(5).map((place) => {
      const letter = Math.floor(word / 3 ** place) % 3;
      if (letter < 2) return letter === 0 ? read(processor, 0) : write(processor, 0);
      space = 1 - space;
      return switchTo(processor, space);
    });
  });
}

/** Every interleaving of each choice of programs, of `every` choices one. */
function interleavings(name: string, machine: MachineKind, choices: Step[][][], each: number, every: number): Family {
  const chosen = choices.filter((_, index) => index % every === 0);
  return {
    name: `${machine.engine}, ${name}: all interleavings of ${chosen.length} programs of ten steps`,
    machine,
    cases: chosen.length * each,
    each: (visit) => {
      for (const programs of chosen) eachInterleaving(programs, visit);
    },
  };
}

/** 10! / (4! 3! 3!) and 10! / (5! 5!) */
const OF_THREE = 4200;
const OF_TWO = 252;

function programsOfThree(): Step[][][] {
  const pairs = onlookers(1).flatMap((first, index) =>
    onlookers(2)
      .slice(index)
      .map((second) => [first, second]),
  );
  return changers().flatMap((changer) => pairs.map((pair) => [changer, ...pair]));
}

function programsOfTwo(): Step[][][] {
  const programs = changers().flatMap((changer) => [
    [...changer, read(0, 0)],
    [switchTo(0, 1), ...changer],
  ]);
  return programs.flatMap((program) => wanderers(1).map((wanderer) => [program, wanderer]));
}

const machine = (engine: "shadow" | "tlb", processors: number, identifiers: boolean, touched: boolean) => ({
  engine,
  processors,
  identifiers,
  touched,
});

const NOTHING = "nothing";
const PROCESSORS = "processors";
const BOTH = "processors and pages";
const TWO = machine("shadow", 2, false, false);
const TWO_WITH = machine("shadow", 2, true, true);
const THREE = machine("shadow", 3, false, false);
const THREE_WITH = machine("shadow", 3, true, true);
const TLBS = machine("tlb", 2, false, false);
const TLBS_WITH = machine("tlb", 2, true, true);
const THREE_TLBS = machine("tlb", 3, true, false);

/** Everything. The sequences of four steps know no reduction but that something can be found; the others some. */
export function everyFamily(): Family[] {
  return [
    sequences(TWO, 4, "all", NOTHING, 2_072_392),
    sequences(TWO_WITH, 4, "all", NOTHING, 2_072_392),
    sequences(TWO, 5, "reads", BOTH, 6_316_030),
    sequences(THREE, 4, "reads", PROCESSORS, 318_848),
    sequences(THREE, 3, "all", NOTHING, 78_516),
    sequences(THREE_WITH, 3, "all", NOTHING, 78_516),
    sequences(TLBS, 4, "all", NOTHING, 585_592),
    sequences(TLBS_WITH, 4, "all", NOTHING, 585_592),
    sequences(TLBS, 5, "reads", BOTH, 944_350),
    sequences(THREE_TLBS, 4, "all", PROCESSORS, 423_108),
    interleavings("3 processors", THREE, programsOfThree(), OF_THREE, 1),
    interleavings("2 processors", TWO_WITH, programsOfTwo(), OF_TWO, 1),
  ];
}

/** A part of it that takes seconds. */
export function sampleFamilies(): Family[] {
  return [
    sequences(TWO, 3, "all", NOTHING, 21_560),
    sequences(TWO_WITH, 3, "reads", NOTHING, 3080),
    sequences(THREE, 3, "reads", NOTHING, 8724),
    sequences(TLBS, 3, "all", NOTHING, 11_480),
    sequences(TLBS_WITH, 3, "all", NOTHING, 11_480),
    sequences(THREE_TLBS, 3, "all", PROCESSORS, 7380),
    interleavings("3 processors", THREE, programsOfThree(), OF_THREE, 59),
    interleavings("2 processors", TWO_WITH, programsOfTwo(), OF_TWO, 61),
  ];
}
