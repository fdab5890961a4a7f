import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Kernel } from "../../src/guest/kernel/kernel.ts";
import { poolTag } from "../../src/guest/memory/pool.ts";
import { Random } from "../../src/guest/random.ts";
import { VirtualClock } from "../../src/guest/threads/virtual-clock.ts";
import { Hypervisor } from "../../src/hypervisor/index.ts";

function kernel(systemPtes = 1024): Kernel {
  const partition = new Hypervisor({ memoryBytes: 16 * 2 ** 20 }).createPartition({
    name: "lab",
    memoryBytes: 16 * 2 ** 20,
    processors: 1,
  });
  return new Kernel({ partition, boot: 1, random: new Random(5), systemPtes, startedAt: 0n, armed: new Set() });
}

describe("pools", () => {
  it.each(["nonPagedPool", "pagedPool"] as const)(
    "%s: no two blocks overlap, and each keeps what was written",
    (which) => {
      const own = kernel();
      const step = fc.record({ bytes: fc.integer({ min: 1, max: 9000 }), free: fc.boolean(), which: fc.nat() });
      fc.assert(
        fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
          const kept: { address: bigint; bytes: number; mark: number }[] = [];
          const { processor } = own.memory;
          const check = ({ address, bytes, mark }: (typeof kept)[number]) =>
            expect(processor.read(address, bytes).every((byte) => byte === mark)).toBe(true);
          steps.forEach(({ bytes, free, which: choice }, index) => {
            if (free && kept.length > 0) {
              const [block] = kept.splice(choice % kept.length, 1);
              check(block!);
              own[which].free(block!.address);
              return;
            }
            const block = { address: own[which].allocate(bytes, poolTag("Test")), bytes, mark: index & 255 };
            expect(block.address).not.toBe(0n);
            processor.write(block.address, new Uint8Array(bytes).fill(block.mark));
            kept.push(block);
          });
          for (const block of kept) {
            check(block);
            own[which].free(block.address);
          }
        }),
        { numRuns: 40 },
      );
    },
  );

  it("gives whole pages back, down to the last frame", () => {
    const own = kernel();
    own.nonPagedPool.freePages(own.nonPagedPool.allocatePages(3)); // page tables for the range are made once and kept
    const before = own.frames.available;
    const address = own.nonPagedPool.allocatePages(3);
    expect(own.frames.available).toBe(before - 3);
    own.nonPagedPool.freePages(address);
    expect(own.frames.available).toBe(before);
    expect(() => own.memory.processor.readU8(address)).toThrow("page fault");
  });
});

describe("system PTEs", () => {
  it("agree with a plain model in every reservation and release", () => {
    const own = kernel();
    const taken = new Uint8Array(own.systemPtes.total);
    const runs: { first: number; count: number }[] = [];
    const random = new Random(9);
    for (let step = 0; step < 3000; step++) {
      if (runs.length > 0 && random.below(5) < 2) {
        const [run] = runs.splice(random.below(runs.length), 1);
        own.systemPtes.release(run!.first, run!.count);
        taken.fill(0, run!.first, run!.first + run!.count);
        continue;
      }
      const count = 1 + random.below(24);
      const first = own.systemPtes.reserve(count);
      const longest = Math.max(
        ...Buffer.from(taken)
          .toString("latin1")
          .split("\u0001")
          .map((free) => free.length),
      );
      if (first < 0) expect(longest).toBeLessThan(count);
      else {
        expect(taken.subarray(first, first + count).includes(1)).toBe(false);
        taken.fill(1, first, first + count);
        own.systemPtes.fill(
          first,
          Array.from({ length: count }, () => 7),
        );
        runs.push({ first, count });
      }
      if (step % 500 === 0)
        expect(own.systemPtes.largestFreeRun()).toBe(
          Math.max(
            ...Buffer.from(taken)
              .toString("latin1")
              .split("\u0001")
              .map((free) => free.length),
          ),
        );
    }
    expect(own.systemPtes.free).toBe(taken.filter((one) => one === 0).length);
    taken.forEach((one, index) => {
      const mapped = own.tables.translate(own.systemPtes.address(index)) !== null;
      expect(mapped).toBe(one === 1);
    });
  });
});

describe("the virtual clock", () => {
  it("lets events happen in the order of their times, and of planning where the times are equal", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 200 }), (times) => {
        const clock = new VirtualClock();
        const happened: [number, number][] = [];
        times.forEach((time, index) => {
          clock.after(time, () => {
            expect(clock.now).toBe(time);
            happened.push([time, index]);
          });
        });
        while (clock.next !== Number.POSITIVE_INFINITY) clock.step();
        expect(happened).toEqual(
          times.map((time, index): [number, number] => [time, index]).sort((a, b) => a[0] - b[0] || a[1] - b[1]),
        );
      }),
    );
  });
});

describe("chance", () => {
  it("is the same for the same seed and label, and another for another label", () => {
    const draw = (seed: number, label: string) => {
      const random = new Random(seed, label);
      return Array.from({ length: 8 }, () => random.word());
    };
    expect(draw(7, "a")).toEqual(draw(7, "a"));
    expect(draw(7, "a")).not.toEqual(draw(7, "b"));
    expect(draw(7, "a")).not.toEqual(draw(8, "a"));
  });

  it("spreads evenly: chi-squared over 64 bins stays below what chance exceeds once in a thousand", () => {
    const random = new Random(1);
    const bins = new Array<number>(64).fill(0);
    for (let draw = 0; draw < 64_000; draw++) bins[random.below(64)]! += 1;
    const statistic = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(statistic).toBeLessThan(103.4); // 63 degrees of freedom, p = 0.001
  });
});
