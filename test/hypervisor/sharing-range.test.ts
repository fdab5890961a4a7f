import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExclusionVector } from "../../src/hypervisor/sharing/exclusion-vector.ts";
import { TemporaryRange } from "../../src/hypervisor/sharing/temporary-range.ts";

describe("page sharing 3.4/10: slots of a temporary range of any size", () => {
  it("are given out lowest first, each to one at a time, all of them, and none beyond the end", () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 130 }), fc.constantFrom(32, 64, 256));
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(1000)), { maxLength: 300, size: "max" });
    fc.assert(
      fc.property(sizes, steps, (pages, actions) => {
        const range = new TemporaryRange(100, pages);
        const free = new Set(Array.from({ length: pages }, (_, i) => 100 + i));
        const used: number[] = [];
        for (const [give, which] of actions) {
          if (give && used.length > 0) {
            const [page] = used.splice(which % used.length, 1);
            range.give(page!);
            free.add(page!);
          } else {
            const page = range.take();
            expect(page).toBe(free.size === 0 ? -1 : Math.min(...free));
            if (page >= 0) used.push(page);
            free.delete(page);
          }
          expect(range.free).toBe(free.size);
        }
        while (free.size > 0) expect(free.delete(range.take())).toBe(true);
        expect(range.take()).toBe(-1);
        expect([99, 100, 99 + pages, 100 + pages].map((page) => range.has(page))).toEqual([false, true, true, false]);
      }),
      { numRuns: 200 },
    );
  });
});

describe("page sharing 3.4/4: the exclusion vector", () => {
  it("forbids every frame at first and what is no frame for ever, and changes one bit at a time", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.array(fc.tuple(fc.boolean(), fc.nat(99))), (frames, changes) => {
        const vector = new ExclusionVector(frames);
        const allowed = new Set<number>();
        for (const [allow, frame] of changes.filter(([, frame]) => frame < frames)) {
          if (allow) vector.allow(frame);
          else vector.exclude(frame);
          if (allow) allowed.add(frame);
          else allowed.delete(frame);
        }
        for (const frame of [-1, Number.NaN, 2 ** 32, ...Array.from({ length: 130 }, (_, each) => each)])
          expect(vector.excludes(frame)).toBe(!allowed.has(frame));
      }),
    );
  });
});
