import { describe, expect, it } from "vitest";
import { Random } from "../../src/binary/index.ts";
import { DMA_REMAPPING_EXPORT, deviceObject, dmaRemapping, driverObject } from "../../src/dumpfile/index.ts";
import { Kernel } from "../../src/guest/kernel/kernel.ts";
import { OutOfPageFrames } from "../../src/guest/memory/page-frames.ts";
import { EmulatedHost } from "../../src/host/index.ts";
import { Hypervisor } from "../../src/hypervisor/index.ts";
import { holderOf, labScenario, stopUnder, untilItStops } from "./lab.ts";

const FOR_ALL = [{ check: "dma-remapping", target: null }];
const BYSTANDER = `
  - { name: spooler.sys, behaviour: pool-churn, options: { rate: 100 per second, outstanding: 300 } }`;
const device = (options: string) => `drivers:
  - { name: scancard.sys, behaviour: dma-after-free, options: { ${options} } }${BYSTANDER}`;
const LATE = device("at: 1 s, rate: 20 per second, late: 100 ms");
const TIDY = device("at: 60 min, rate: 20 per second");

describe("DMA remapping", () => {
  it("6.6/19: a device that writes after its driver has given the memory back is stopped before it has changed a byte", async () => {
    const { host, event, view } = await stopUnder(FOR_ALL, LATE);
    expect(event).toMatchObject({ stopCode: 0xe6, parameters: [0x26n, expect.any(BigInt), expect.any(BigInt), 5n] });
    const [, stopped, wanted] = event.parameters;
    const { driverObject: owner } = deviceObject.read(view.memory.read(stopped, deviceObject.size));
    expect(holderOf(view, driverObject.read(view.memory.read(owner, driverObject.size)).driverStart)).toBe(
      "scancard.sys",
    );
    expect(wanted % 4096n).toBe(0n);
    expect(host.harm("subject")).toMatchObject({ bytesOfOthers: 0 });
  });

  it("lets devices write where their drivers have mapped memory, and keeps account of each page", async () => {
    const host = new EmulatedHost(labScenario(TIDY, { duration: "5 s" }));
    await host.restart("subject", { arm: FOR_ALL });
    expect(await untilItStops(host)).toMatchObject({ kind: "finished" });
    const { checkRecordsWritten } = host.counters();
    expect(checkRecordsWritten).toBeGreaterThan(200);
    expect(checkRecordsWritten! % 2).toBe(0); // each page is mapped and unmapped
  });

  it("6.6/3: records nothing, takes no memory and stops no device while it is not armed", async () => {
    const host = new EmulatedHost(labScenario(TIDY, { duration: "5 s" }));
    expect(await untilItStops(host)).toMatchObject({ kind: "finished" });
    expect(host.counters().checkRecordsWritten).toBe(0);
    expect(kernelWith([]).dmaRemapping).toBeNull();
  });

  it("is for the devices of the driver it is armed for", async () => {
    const { event } = await stopUnder([{ check: "dma-remapping", target: "spooler.sys" }], LATE);
    expect(event.stopCode).not.toBe(0xe6);
    expect((await stopUnder([{ check: "dma-remapping", target: "ScanCard.sys" }], LATE)).event.stopCode).toBe(0xe6);
  });
});

function kernelWith(armed: readonly { check: "dma-remapping"; target: null }[]): Kernel {
  const memoryBytes = 16 * 2 ** 20;
  const partition = new Hypervisor({ memoryBytes }).createPartition({
    ...{ name: "lab", memoryBytes, processors: 1, engine: "shadow" },
  });
  const random = new Random(5);
  return new Kernel({ partition, boot: 1, random, systemPtes: 1024, startedAt: 0n, armed, pageFile: null });
}

describe("the IOMMU's tables", () => {
  const [ONE, OTHER] = [0x100n, 0x200n];

  it("know a page for each device by itself, also where two have the same page, and once for each mapping", () => {
    const remapping = kernelWith([{ check: "dma-remapping", target: null }]).dmaRemapping!;
    const both = () => [remapping.isMapped(ONE, 500), remapping.isMapped(OTHER, 500)];
    remapping.map(ONE, 500, 1n);
    expect(both()).toEqual([true, false]);
    remapping.map(OTHER, 500, 1n);
    remapping.map(OTHER, 500, 1n);
    remapping.unmap(ONE, 500, 2n);
    expect(both()).toEqual([false, true]);
    remapping.unmap(OTHER, 500, 2n);
    expect(both()).toEqual([false, true]);
    remapping.unmap(OTHER, 500, 2n);
    expect(both()).toEqual([false, false]);
    expect(remapping.isMapped(ONE, 501)).toBe(false);
  });

  it("find a page that had to go past the end of the table, and say so when there is no room", () => {
    const kernel = kernelWith([{ check: "dma-remapping", target: null }]);
    const block = kernel.memory.processor.read(kernel.variable(DMA_REMAPPING_EXPORT), dmaRemapping.size);
    const { capacity } = dmaRemapping.read(block);
    expect(capacity).toBe(kernel.physical.pages);
    const remapping = kernel.dmaRemapping!;
    remapping.map(ONE, capacity - 1, 1n);
    remapping.map(OTHER, capacity - 1, 1n);
    expect(remapping.isMapped(OTHER, capacity - 1)).toBe(true);
    for (let frame = 0; frame < capacity - 2; frame++) remapping.map(ONE, frame, 1n);
    expect(() => remapping.map(OTHER, 7, 1n)).toThrow(OutOfPageFrames);
  });
});
