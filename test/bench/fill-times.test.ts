import { describe, expect, it } from "vitest";
import { FillSet, fillCounts } from "../../src/bench/fill-times.ts";

describe("what is timed as shadow fills are shadow fills (shadow paging 1.4/9)", () => {
  it.each([
    { pages: 8192, batch: 1, untouched: false, order: "ascending" },
    { pages: 8192, batch: 32, untouched: false, order: "ascending" },
    { pages: 65_536, batch: 32, untouched: false, order: "random" },
    { pages: 8192, batch: 1, untouched: true, order: "ascending" },
  ] as const)("$pages pages, $batch a fault, in $order order, flags to be set: $untouched", (task) => {
    const { hiddenFaults, fills } = fillCounts(new FillSet(task));
    expect(fills).toBe(task.pages);
    expect(hiddenFaults).toBe(task.pages / task.batch);
  });
});
