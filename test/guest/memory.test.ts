import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/binary/index.ts";
import { Kernel } from "../../src/guest/kernel/kernel.ts";
import { ACCESSED_BIT, DIRTY_BIT, PAGE_KIND } from "../../src/guest/memory/page-table-entry.ts";
import { poolTag } from "../../src/guest/memory/pool.ts";
import { PoolDamage } from "../../src/guest/memory/pool-damage.ts";
import { VirtualClock } from "../../src/guest/threads/virtual-clock.ts";
import { type EngineKind, Hypervisor, PageFault } from "../../src/hypervisor/index.ts";

function kernel(
  systemPtes = 1024,
  { processors = 1, engine = "shadow" }: { processors?: number; engine?: EngineKind } = {},
): Kernel {
  const partition = new Hypervisor({ memoryBytes: 16 * 2 ** 20 }).createPartition({
    name: "lab",
    memoryBytes: 16 * 2 ** 20,
    processors,
    engine,
  });
  return new Kernel({
    partition,
    boot: 1,
    random: new Random(5),
    systemPtes,
    startedAt: 0n,
    armed: [],
    pageFile: null,
  });
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

  describe("meet what was written over their headers", () => {
    /** Three blocks of 64 bytes next to one another, and one behind; then something is written, and something done. */
    const met = (damage: (blocks: bigint[], own: Kernel) => void, then: (blocks: bigint[], own: Kernel) => void) => {
      const own = kernel();
      const blocks = Array.from({ length: 4 }, () => own.nonPagedPool.allocate(64, poolTag("Test")));
      expect(blocks.map((block) => Number(block - blocks[0]!))).toEqual([0, 80, 160, 240]);
      damage(blocks, own);
      try {
        then(blocks, own);
      } catch (error) {
        return error instanceof PoolDamage ? error.found : error;
      }
      return "nothing";
    };
    const overwrite = (own: Kernel, at: bigint, bytes: number) =>
      own.memory.processor.write(at, new Uint8Array(bytes).fill(0xd0));
    const free = (which: number) => (blocks: bigint[], own: Kernel) => own.nonPagedPool.free(blocks[which]!);

    it("when the block in front is freed, the block itself, or the one behind", () => {
      const header = ([, , third]: bigint[], own: Kernel) => overwrite(own, third! - 16n, 16);
      expect(met(header, free(1))).toMatchObject({ kind: "size" });
      expect(met(header, free(2))).toMatchObject({ kind: "size" });
      expect(met(header, free(3))).toMatchObject({ kind: "neighbours" });
      expect(met(header, free(0))).toBe("nothing");
    });

    it("even when it is one byte", () => {
      const previous = ([, , third]: bigint[], own: Kernel) => overwrite(own, third! - 16n, 1);
      expect(met(previous, free(1))).toMatchObject({ kind: "size" });
      expect(met(previous, free(2))).toMatchObject({ kind: "neighbours" });
    });

    it("when a block is freed twice, or its free neighbour's header is wrong", () => {
      const freed = (blocks: bigint[], own: Kernel) => own.nonPagedPool.free(blocks[1]!);
      expect(met(freed, free(1))).toMatchObject({ kind: "freed twice" });
      const broken = (blocks: bigint[], own: Kernel) => {
        own.nonPagedPool.free(blocks[1]!);
        own.memory.processor.writeU8(blocks[1]! - 14n, 0xd0); // its size
      };
      expect(met(broken, free(0))).toMatchObject({ kind: "size" });
    });

    const allocate = (_: bigint[], own: Kernel) => void own.nonPagedPool.allocate(64, poolTag("Test"));
    it("when a free block's links are followed, or do not lead back", () => {
      const freed = (link: (blocks: bigint[]) => bigint) => (blocks: bigint[], own: Kernel) => {
        own.nonPagedPool.free(blocks[1]!);
        own.memory.processor.writeU64(blocks[1]!, link(blocks));
      };
      expect(
        met(
          freed(() => 0xd0d0_d0d0_d0d0_d0d0n),
          allocate,
        ),
      ).toEqual({ kind: "wild link", address: 0xd0d0_d0d0_d0d0_d0d0n });
      expect(
        met(
          freed(() => 0xffff_8000_0000_0000n),
          allocate,
        ),
      ).toMatchObject({ kind: "wild link" });
      expect(
        met(
          freed(([first]) => first! + 1n),
          allocate,
        ),
      ).toMatchObject({ kind: "wild link" });
      expect(
        met(
          freed(([first]) => first!),
          allocate,
        ),
      ).toMatchObject({ kind: "list" });
    });

    it("when a list has a block of another size, or one that is taken", () => {
      const freed = (offset: bigint) => (blocks: bigint[], own: Kernel) => {
        own.nonPagedPool.free(blocks[1]!);
        own.memory.processor.writeU8(blocks[1]! - 16n + offset, 3);
      };
      expect(met(freed(2n), allocate)).toMatchObject({ kind: "bad entry" });
      expect(met(freed(3n), allocate)).toMatchObject({ kind: "bad entry" });
    });
  });

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

describe("page frames", () => {
  it("in a run: aligned, zeroed, and never handed out a second time; given back, all are free again", () => {
    const own = kernel();
    const { frames, physical } = own;
    const random = new Random(3);
    const loose = Array.from({ length: 400 }, () => frames.take());
    for (const frame of loose.filter(() => random.below(2) === 0)) {
      physical.writeU32(frame * 4096, 0xdead);
      frames.give(frame);
      loose.splice(loose.indexOf(frame), 1);
    }
    const before = frames.available;
    const large = frames.takeRun(512, 512);
    const run = frames.takeRun(7, 1);
    expect(large % 512).toBe(0);
    expect(frames.available).toBe(before - 519);
    for (let frame = run; frame < run + 7; frame++)
      expect(physical.read(frame * 4096, 4096).some((byte) => byte)).toBe(false);
    const rest = Array.from({ length: before - 519 }, () => frames.take());
    const all = [...loose, ...rest, ...Array.from({ length: 7 }, (_, page) => run + page)];
    expect(new Set(all).size).toBe(all.length);
    expect(all.filter((frame) => frame >= large && frame < large + 512)).toEqual([]);
    expect(() => frames.take()).toThrow("no page frame is free");
    expect(() => frames.takeRun(1, 1)).toThrow("consecutive");
    for (const frame of rest) frames.give(frame);
    expect(frames.available).toBe(before - 519);
  });
});

describe.each(["walk", "tlb", "shadow"] as const)("page tables that change under processors (%s)", (engine) => {
  const PROCESSORS = [1, 3];
  const read = (own: Kernel, address: bigint) => own.partition.processors.map((one) => one.readU32(address));

  it.each(PROCESSORS)(
    "a page that is unmapped is gone on every processor, one that moves is there (%i)",
    (processors) => {
      const own = kernel(1024, { processors, engine });
      const address = own.nonPagedPool.allocatePages(2);
      const [one, other] = [own.tables.translate(address)! / 4096, own.tables.translate(address + 4096n)! / 4096];
      own.physical.writeU32(one * 4096, 1);
      own.physical.writeU32(other * 4096, 2);
      const same = (value: number) => Array(processors).fill(value);
      expect([read(own, address), read(own, address + 4096n)]).toEqual([same(1), same(2)]);
      own.tables.mapRun(address, [other, one], PAGE_KIND.kernelData);
      expect([read(own, address), read(own, address + 4096n)]).toEqual([same(2), same(1)]);
      own.tables.unmapRun(address, 2);
      for (const processor of own.partition.processors)
        for (const page of [address, address + 4096n]) expect(() => processor.readU8(page)).toThrow(PageFault);
    },
  );

  it.each(PROCESSORS)(
    "the same in a process's address space, also where none runs in it at the moment (%i)",
    (processors) => {
      const own = kernel(1024, { processors, engine });
      const { tables } = own.processes.create("desk.exe", 4);
      const enter = (base: bigint) => {
        for (const processor of own.partition.processors) processor.moveToCr3((1n << 63n) | base);
      };
      const [one, other] = [own.frames.takeZeroed(), own.frames.takeZeroed()];
      own.physical.writeU32(other * 4096, 2);
      tables.map(0x10_0000n, one, PAGE_KIND.freshUserData);
      enter(tables.directoryTableBase);
      expect(read(own, 0x10_0000n)).toEqual(Array(processors).fill(0));
      enter(own.tables.directoryTableBase);
      tables.map(0x10_0000n, other, PAGE_KIND.freshUserData);
      enter(tables.directoryTableBase);
      expect(read(own, 0x10_0000n)).toEqual(Array(processors).fill(2));
    },
  );

  it("shadow paging 1.4/19: a look at the flags by physical address sees what was used, and begins anew", () => {
    const own = kernel(1024, { processors: 2, engine });
    const { tables } = own.processes.create("desk.exe", 4);
    const frames = Array.from({ length: 3 }, () => own.frames.takeZeroed());
    tables.mapRun(0x10_0000n, frames, PAGE_KIND.freshUserData);
    const [first, second] = own.partition.processors;
    for (const processor of own.partition.processors) processor.moveToCr3((1n << 63n) | tables.directoryTableBase);
    const look = () => {
      const flags = new Uint8Array(3);
      tables.takeFlags(0x10_0000n, flags);
      return [...flags];
    };
    expect(look()).toEqual([0, 0, 0]);
    first!.readU8(0x10_0000n);
    second!.writeU8(0x10_1000n, 1);
    expect(look()).toEqual([ACCESSED_BIT, ACCESSED_BIT | DIRTY_BIT, 0]);
    expect(look()).toEqual([0, 0, 0]);
    first!.readU8(0x10_1000n);
    second!.writeU8(0x10_0000n, 1);
    // An entry that is made anew does not get what its predecessor was owed.
    tables.map(0x10_0000n, frames[0]!, PAGE_KIND.freshUserData);
    expect(look()).toEqual([0, ACCESSED_BIT, 0]);
  });

  it("large page optimizations 4.3/1: 2 MiB that a process maps at once", () => {
    const own = kernel(1024, { engine });
    const { tables } = own.processes.create("index.exe", 4);
    const first = own.frames.takeRun(512, 512);
    tables.mapLarge(0x4000_0000n, first, PAGE_KIND.freshUserData);
    const [processor] = own.partition.processors;
    processor!.moveToCr3((1n << 63n) | tables.directoryTableBase);
    for (const page of [0, 1, 255, 511]) {
      own.physical.writeU32((first + page) * 4096 + 8, page + 1);
      expect(processor!.readU32(0x4000_0008n + BigInt(page * 4096))).toBe(page + 1);
    }
    const { largePageTlbFills } = own.partition.counters();
    // A TLB takes the page in pieces until its accessed flag is set.
    expect(largePageTlbFills).toBe({ walk: undefined, tlb: 2, shadow: 1 }[engine]);
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
