import { expect, it } from "vitest";
import { Random } from "../../src/binary/index.ts";
import { Kernel } from "../../src/guest/kernel/kernel.ts";
import { LatestBlocks } from "../../src/guest/memory/latest-blocks.ts";
import { Hypervisor } from "../../src/hypervisor/index.ts";

function latestBlocks(): LatestBlocks {
  const memoryBytes = 16 * 2 ** 20;
  const partition = new Hypervisor({ memoryBytes }).createPartition({
    ...{ name: "lab", memoryBytes, processors: 1, engine: "shadow" },
  });
  const random = new Random(5);
  const kernel = new Kernel({ partition, boot: 1, random, systemPtes: 1024, startedAt: 0n, armed: [], pageFile: null });
  return new LatestBlocks(kernel.variable("MiSpecialPoolLatest"), kernel.memory);
}

it("the latest block is each driver's own, and nobody's any more once it is freed", () => {
  const latest = latestBlocks();
  latest.remember(0x1000n, 0xa0n);
  latest.remember(0x2000n, 0xb0n);
  latest.remember(0x1000n, 0xc0n);
  const both = () => [latest.of(0x1000n), latest.of(0x2000n)];
  expect(both()).toEqual([0xc0n, 0xb0n]);
  latest.forget(0xb0n);
  expect(both()).toEqual([0xc0n, 0n]);
});

it("of more drivers than there is room for, the first are remembered and the others not taken for them", () => {
  const latest = latestBlocks();
  for (let driver = 1n; driver <= 40n; driver++) latest.remember(driver, driver * 16n);
  expect([1n, 32n, 33n, 40n].map((driver) => latest.of(driver))).toEqual([16n, 512n, 0n, 0n]);
});
