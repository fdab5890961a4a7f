import { describe, expect, it } from "vitest";
import { Random } from "../../src/binary/index.ts";
import { Kernel } from "../../src/guest/kernel/kernel.ts";
import { POOL_PAGES, poolTag } from "../../src/guest/memory/pool.ts";
import { Hypervisor, PageFault } from "../../src/hypervisor/index.ts";
import { crashed, holderOf, stopUnder } from "./lab.ts";

const FOR_ALL = [{ check: "protect-freed-pool", target: null }] as const;
const TAG = poolTag("Test");
const LATE = `drivers:
  - { name: lanmodem.sys, behaviour: use-after-free, options: { at: 1 s, rate: 10 per second, size: 4000 } }
  - { name: spooler.sys, behaviour: pool-churn, options: { rate: 100 per second } }`;

function kernelWith(armed: typeof FOR_ALL | readonly []): Kernel {
  const memoryBytes = 16 * 2 ** 20;
  const partition = new Hypervisor({ memoryBytes }).createPartition({
    ...{ name: "lab", memoryBytes, processors: 1, engine: "shadow" },
  });
  const random = new Random(5);
  return new Kernel({ partition, boot: 1, random, systemPtes: 1024, startedAt: 0n, armed, pageFile: null });
}

describe("freed pool that is protected", () => {
  it("stops a driver at the touch of a page that it has freed, before it has changed a byte of others", async () => {
    const { host, event, view } = await stopUnder(FOR_ALL, LATE);
    expect(event.stopCode).toBe(0x50);
    expect(holderOf(view, event.parameters[2])).toBe("lanmodem.sys");
    expect(event.atSeconds).toBeCloseTo(host.harm("subject")!.begunAtSeconds, 6);
    expect(host.harm("subject")!.bytesOfOthers).toBe(0);
  });

  it("is not there unless it is armed: the touch goes by, and the page stays", async () => {
    const { host, event } = await crashed(LATE);
    expect([0x19, 0xc5]).toContain(event.stopCode); // the pool's next user meets what was written there
    expect(host.harm("subject")!.bytesOfOthers).toBeGreaterThan(0);
    const { nonPagedPool, memory } = kernelWith([]);
    const block = nonPagedPool.allocate(4000, TAG);
    nonPagedPool.free(block);
    expect(() => memory.processor.readU8(block)).not.toThrow();
  });

  it("goes with the last block of a page, and comes back after all other addresses", () => {
    const { nonPagedPool, memory } = kernelWith(FOR_ALL);
    const large = nonPagedPool.allocate(4000, TAG);
    const small = nonPagedPool.allocatePages(1);
    nonPagedPool.free(large);
    nonPagedPool.free(small);
    for (const block of [large, small]) expect(() => memory.processor.readU8(block)).toThrow(PageFault);
    const again: bigint[] = [];
    for (let page = 0; page < POOL_PAGES / 2; page++) {
      again.push(nonPagedPool.allocatePages(1));
      nonPagedPool.free(again.at(-1)!);
    }
    expect(again).not.toContain(small);
    expect(new Set(again).size).toBe(again.length);
  });

  it("keeps a page that another block is in, and is found from the start again when the end has been reached", () => {
    const { nonPagedPool, memory } = kernelWith(FOR_ALL);
    let [one, other] = [nonPagedPool.allocate(1900, TAG), nonPagedPool.allocate(1900, TAG)];
    while (one >> 12n !== other >> 12n) [one, other] = [other, nonPagedPool.allocate(1900, TAG)];
    nonPagedPool.free(one);
    expect(() => memory.processor.readU8(other)).not.toThrow();
    nonPagedPool.free(other);
    expect(() => memory.processor.readU8(other)).toThrow(PageFault);
    for (let page = 0; page < POOL_PAGES + 8; page++) {
      const block = nonPagedPool.allocatePages(1);
      expect(block).not.toBe(0n);
      nonPagedPool.free(block);
    }
  });
});
