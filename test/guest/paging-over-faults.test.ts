import fc from "fast-check";
import { expect, it } from "vitest";
import { PAGE_SIZE } from "../../src/binary/index.ts";
import { TICKS_PER_SECOND } from "../../src/guest/index.ts";
import { HostDisk } from "../../src/host/emulated/host-disk.ts";
import type { DeviceFault } from "../../src/storage/index.ts";
import { pagingKernel } from "./paging-kernel.ts";

const TICKS_PER_MILLISECOND = TICKS_PER_SECOND / 1000;
const PAGES = 12;

it("a guest's pages hold what was written to them, over a disk that resets, times out, tears writes and is slow", () => {
  const from = fc.integer({ min: 0, max: 1_000 });
  const fault: fc.Arbitrary<DeviceFault> = fc.oneof(
    fc.record({ kind: fc.constantFrom("reset", "torn-write"), from }),
    fc.record({ kind: fc.constant("timeout" as const), from, after: fc.constant(10_000) }),
    fc.record({
      kind: fc.constant("slow" as const),
      from,
      sector: fc.integer({ min: 0, max: PAGES * 8 }),
      sectors: fc.constant(8),
      delay: fc.constant(300),
    }),
  );
  const step = fc.record({
    page: fc.integer({ min: 0, max: PAGES - 1 }),
    what: fc.constantFrom("write", "read", "trim", "trim", "step", "step"),
    value: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
  });
  let repaired = 0;
  fc.assert(
    // Three of them are fewer than a request is tried again.
    fc.property(
      fc.array(fault, { minLength: 1, maxLength: 3 }),
      fc.array(step, { minLength: 80, maxLength: 120 }),
      (faults, steps) => {
        let now = 0;
        const disk = new HostDisk({ faults, streams: 0, seed: 3, usedSectors: PAGES * 8 });
        const clock = () => now * TICKS_PER_MILLISECOND;
        const kernel = pagingKernel(disk.pageFile(0, PAGES, clock, (_, action) => action()));
        const start = kernel.pageable.allocate(PAGES);
        const expected = Array<bigint>(PAGES).fill(0n);
        const { processor } = kernel.memory;
        const diskStep = () => {
          now = Math.max(now, disk.next / TICKS_PER_MILLISECOND);
          disk.step();
        };
        const present = (address: bigint) => {
          if (!kernel.pageable.isAbsent(address)) return;
          let ended = -1;
          kernel.pageable.bringIn(address, (status) => {
            ended = status;
          });
          while (ended === -1) diskStep();
          expect(ended).toBe(0);
        };
        // The last word of a page: what a torn write does not reach.
        const wordOf = (page: number) => start + BigInt((page + 1) * PAGE_SIZE - 8);
        const check = (page: number) => {
          present(wordOf(page));
          expect(processor.readU64(wordOf(page))).toBe(expected[page]);
        };
        for (const { page, what, value } of steps) {
          if (what === "trim") kernel.pageable.trim();
          else if (what === "read") check(page);
          else if (what === "write") {
            present(wordOf(page));
            processor.writeU64(wordOf(page), value);
            expected[page] = value;
          } else if (disk.next < Number.POSITIVE_INFINITY) diskStep();
        }
        for (let page = 0; page < PAGES; page++) check(page);
        repaired += disk.counters().retries!;
      },
    ),
    { numRuns: 80 },
  );
  expect(repaired).toBeGreaterThan(10);
});
