import { describe, expect, it } from "vitest";
import { LargeRegions, largePageCounts, largePageTimes } from "../../src/bench/large-regions.ts";
import { promotionOf } from "../../src/hypervisor/large-pages/index.ts";

describe("large pages in a partition (4.2, claim 2)", () => {
  it("at least 99 % of the eligible regions are mapped large within one fill, and no other", () => {
    const { regions, eligible, mappedLarge, eligiblePercent, wronglyLarge } = largePageCounts();
    expect(regions).toBe(127);
    expect(eligible).toBe(82);
    expect(eligiblePercent).toBeGreaterThanOrEqual(99);
    expect(mappedLarge).toBe(eligible);
    expect(wronglyLarge).toBe(0);
  });

  it("the regions lack what they are named for", () => {
    const { partition, kinds } = new LargeRegions();
    const reasons = new Map(
      kinds.flatMap((kind, region) => {
        if (kind === null) return [];
        const leaf = kind === "mapped by small pages" ? 12 : 21;
        return [[kind, promotionOf(leaf, partition.memory.map, region * 512)] as const];
      }),
    );
    expect(Object.fromEntries(reasons)).toEqual({
      plain: "large",
      "read-only throughout": "large",
      "with a hole": "hole",
      "with a protected page": "attributes",
      "with a page elsewhere": "elsewhere",
      misaligned: "alignment",
      "mapped by small pages": "guest-leaf",
    });
  });

  it("a region is split when a page of it loses a right, and joined by the fill after it has it back (4.3/8, 9)", () => {
    const { splits, rejoins } = largePageTimes();
    expect(splits).toBeGreaterThan(0);
    expect(rejoins).toBe(splits);
  });
});
