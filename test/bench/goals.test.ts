import { describe, expect, it } from "vitest";
import type { AccessFigure } from "../../src/bench/figures.ts";
import { accessGoals, fillGoals } from "../../src/bench/goals.ts";

const MIB = 2 ** 20;

function figure(change: Partial<AccessFigure>): AccessFigure {
  return {
    ...{ engine: "tlb", bytes: 16_384, pages: "4 KiB" },
    ...{ rawRead: 1, rawWrite: 1, read: 2, write: 2, readInRuns: 2, writeInRuns: 2, readRatio: 2, readInRunsRatio: 2 },
    ...{ rawWriteToRead: 1, writeToRead: 1, writeToReadInRuns: 1 },
    ...change,
  };
}

const limits = (change: Partial<AccessFigure>) => accessGoals(figure(change)).map(({ limit }) => limit);

describe("goals stand beside the figures they are for", () => {
  it("of accesses: hits in small and large sets, in large pages, and the hot walk", () => {
    expect(limits({})).toEqual([2.6, 1.25, 1.25]);
    expect(limits({ engine: "shadow", bytes: 256 * MIB })).toEqual([2.2, 1.25, 1.25]);
    expect(limits({ bytes: 256 * MIB, pages: "2 MiB" })).toEqual([1.1, 1.25, 1.25]);
    expect(limits({ engine: "walk" })).toEqual([4.5]);
    expect(limits({ bytes: 4 * MIB })).toEqual([]);
    expect(limits({ engine: "walk", bytes: 256 * MIB, pages: "2 MiB" })).toEqual([]);
  });

  it("and are met up to their limit, each by its own figure", () => {
    const met = (change: Partial<AccessFigure>) => accessGoals(figure(change)).map((goal) => goal.met);
    expect(met({ readRatio: 2.6 })).toEqual([true, true, true]);
    expect(met({ readRatio: 2.61 })).toEqual([false, true, true]);
    expect(met({ writeToRead: 1.3 })).toEqual([true, false, true]);
    expect(met({ writeToReadInRuns: 1.3 })).toEqual([true, true, false]);
    expect(met({ engine: "walk", readRatio: 20, readInRunsRatio: 4.5 })).toEqual([true]);
    expect(met({ engine: "walk", readInRunsRatio: 4.6 })).toEqual([false]);
    expect(met({ bytes: 256 * MIB, pages: "2 MiB", readRatio: 2, readInRunsRatio: 1.2 })).toEqual([false, true, true]);
  });

  it("of fills: in ascending order, flags set", () => {
    const fill = { pages: 8192, rawRead: 1, fill: 50, ratio: 50, hiddenFaults: 1, fills: 1 };
    const goals = (batch: number, untouched: boolean, order: "ascending" | "random") =>
      fillGoals({ ...fill, batch, untouched, order }).map(({ limit, met }) => [limit, met]);
    expect(goals(1, false, "ascending")).toEqual([[60, true]]);
    expect(goals(32, false, "ascending")).toEqual([[12, false]]);
    expect(goals(1, true, "ascending")).toEqual([]);
    expect(goals(1, false, "random")).toEqual([]);
  });
});
