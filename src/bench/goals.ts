import type {
  AccessFigure,
  FillFigure,
  LargePageFigure,
  PagingPart,
  StreamFigure,
  WorkingSetFigure,
} from "./figures.ts";
import { BATCH } from "./fill-times.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** One figure beside what it is to be (paging.md A5). */
export interface Goal {
  readonly part: PagingPart;
  readonly what: string;
  readonly figure: number;
  /** `x raw`: times a raw access of the same run. `x reads`: times the same engine's reads. `x fewer`: than one by one. */
  readonly unit: "x raw" | "x reads" | "ns" | "x fewer" | "refills" | "%" | "regions";
  readonly relation: "at most" | "at least";
  readonly limit: number;
  readonly met: boolean;
}

type Unjudged = Omit<Goal, "part" | "met" | "relation" | "limit">;

function atMost(part: PagingPart, limit: number, figure: Unjudged): Goal {
  return { part, ...figure, relation: "at most", limit, met: figure.figure <= limit };
}

function atLeast(part: PagingPart, limit: number, figure: Unjudged): Goal {
  return { part, ...figure, relation: "at least", limit, met: figure.figure >= limit };
}

/** Bytes in the unit that the sets are told by. */
export function sizeText(bytes: number): string {
  return bytes < MIB ? `${bytes / KIB} KiB` : `${bytes / MIB} MiB`;
}

/** Most times a raw access that a hit may take, by bytes of the set. */
const HIT_LIMITS: ReadonlyMap<number, number> = new Map([
  [16 * KIB, 2.6],
  [256 * MIB, 2.2],
]);
const HOT_WALK = 4.5;
const LARGE_HIT = 1.1;
const WRITE_TO_READ = 1.25;

/**
 * Goals of one line of the access table. A hit is judged one by one, as an emulator makes its accesses; a walk and a large page
 * in runs, where memory is waited for all at once, as it is for the raw access. The other way stands in the table.
 */
export function accessGoals(figure: AccessFigure): Goal[] {
  const { engine, bytes, pages, readRatio, readInRunsRatio } = figure;
  const where = `${engine}, ${sizeText(bytes)}${pages === "2 MiB" ? " in large pages" : ""}`;
  if (engine === "walk")
    return bytes === 16 * KIB
      ? [atMost("access", HOT_WALK, { what: `${where}, in runs`, figure: readInRunsRatio, unit: "x raw" })]
      : [];
  const limit = HIT_LIMITS.get(bytes);
  if (limit === undefined) return [];
  return [
    pages === "2 MiB"
      ? atMost("access", LARGE_HIT, { what: `${where}, in runs`, figure: readInRunsRatio, unit: "x raw" })
      : atMost("access", limit, { what: `${where}, one by one`, figure: readRatio, unit: "x raw" }),
    atMost("access", WRITE_TO_READ, {
      ...{ what: `${where}, writes one by one`, figure: figure.writeToRead, unit: "x reads" as const },
    }),
    atMost("access", WRITE_TO_READ, {
      ...{ what: `${where}, writes in runs`, figure: figure.writeToReadInRuns, unit: "x reads" as const },
    }),
  ];
}

const FILL_NANOSECONDS: ReadonlyMap<number, number> = new Map([
  [1, 60],
  [BATCH, 12],
]);

/** Of fills in ascending order, of leaves with all flags: the others stand in the table for comparison. */
export function fillGoals({ batch, untouched, order, fill }: FillFigure): Goal[] {
  const limit = FILL_NANOSECONDS.get(batch);
  if (limit === undefined || untouched || order === "random") return [];
  const what = batch === 1 ? "one leaf a fault" : `each of ${batch} leaves a fault`;
  return [atMost("fills", limit, { what, figure: fill, unit: "ns" })];
}

const SEQUENTIAL_FEWER = 20;
const PROGRAM_FEWER = 4;

export function streamGoals({ stream, isSequential, touched }: StreamFigure): Goal[] {
  const limit = isSequential ? SEQUENTIAL_FEWER : PROGRAM_FEWER;
  return [atLeast("streams", limit, { what: `hidden faults of ${stream}`, figure: touched.fewer, unit: "x fewer" })];
}

export function workingSetGoals({ string, runs }: WorkingSetFigure): Goal[] {
  const refills = runs.reduce((sum, run) => sum + run.refills, 0);
  return [atMost("streams", 0, { what: `${string} after switching back`, figure: refills, unit: "refills" })];
}

const LARGE_PERCENT = 99;

export function largePageGoals({ eligiblePercent, wronglyLarge }: LargePageFigure): Goal[] {
  return [
    atLeast("large", LARGE_PERCENT, { what: "eligible regions mapped large", figure: eligiblePercent, unit: "%" }),
    atMost("large", 0, { what: "other regions mapped large", figure: wronglyLarge, unit: "regions" }),
  ];
}
