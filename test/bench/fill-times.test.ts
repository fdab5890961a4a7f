import { describe, expect, it } from "vitest";
import { FillSet, fillCounts } from "../../src/bench/fill-times.ts";

describe("what is timed as shadow fills are shadow fills (shadow paging 1.4/9)", () => {
  it.each([
    { batch: 1, untouched: false, order: "ascending" },
    { batch: 32, untouched: false, order: "random" },
    { batch: 1, untouched: true, order: "ascending" },
  ] as const)("$batch a fault, in $order order, flags to be set: $untouched", (task) => {
    const { hiddenFaults, fills } = fillCounts(new FillSet(task));
    expect(fills).toBe(65_536);
    expect(hiddenFaults).toBe(65_536 / task.batch);
  });
});
