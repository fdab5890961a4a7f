import { beforeEach, describe, expect, it } from "vitest";
import { Random } from "../../src/binary/index.ts";
import { POOL_TRACKING_EXPORT, poolEntry, poolTracking, unloadedDriver } from "../../src/dumpfile/index.ts";
import { readDiagnosis } from "../../src/guest/index.ts";
import { Kernel } from "../../src/guest/kernel/kernel.ts";
import { poolTag } from "../../src/guest/memory/pool.ts";
import { TrailerDamage } from "../../src/guest/memory/pool-tracking.ts";
import { EmulatedHost } from "../../src/host/index.ts";
import { Hypervisor } from "../../src/hypervisor/index.ts";
import { crashed, labScenario, stopUnder, untilItStops, type View, viewOf } from "./lab.ts";
import { exportsOf } from "./unwind-twin.ts";

const FOR_ALL = [{ check: "pool-tracking", target: null }];
const TAG = poolTag("Test");

const CHURN = `
  - { name: spooler.sys, behaviour: pool-churn, options: { rate: 300 per second } }`;
const UNLOADED = `drivers:
  - { name: sensdrv.sys, behaviour: unload-leak, options: { stays: 1 s, again: 500 ms, size: 400, tag: Sens } }${CHURN}`;
const tidy = UNLOADED.replace("tag: Sens", "tag: Sens, left: 0");
const stopping = (rest: string) => `${rest}
  - { name: badge.sys, behaviour: null-dereference, options: { at: 5 s } }`;
const overrun = (bytes: number, at = "1 s") => `drivers:
  - { name: scanrecv.sys, behaviour: pool-overrun, options: { at: ${at}, rate: 200 per second, bytes: ${bytes}, frees: true } }${CHURN}`;

function recordsOf({ modules, memory }: View) {
  const base = modules[0]!.dllBase;
  const rva = exportsOf((at, bytes) => memory.read(base + BigInt(at), bytes)).get(POOL_TRACKING_EXPORT)!;
  const block = poolTracking.read(memory.read(base + BigInt(rva), poolTracking.size));
  const entries = Array.from({ length: block.capacity }, (_, index) =>
    poolEntry.read(memory.read(block.entries + BigInt(index * poolEntry.size), poolEntry.size)),
  );
  return { block, held: entries.filter((entry) => entry.block > 1n) };
}

const utf16At = ({ memory }: View, address: bigint) => {
  const text = Buffer.from(memory.read(address, 64)).toString("utf16le");
  return text.slice(0, text.indexOf("\0"));
};

/** Which module an address lies in. */
const holderOf = ({ modules }: View, address: bigint) =>
  modules.find(({ dllBase, sizeOfImage }) => address >= dllBase && address < dllBase + BigInt(sizeOfImage))?.name;

describe("drivers that are unloaded", () => {
  it("6.6/14: with three blocks unfreed: 0xC4 with 0x62, the driver's name and how many, and each block is recorded", async () => {
    const { event, view } = await stopUnder(FOR_ALL, UNLOADED);
    const [kind, name, reserved, left] = event.parameters;
    expect([event.stopCode, kind, reserved, left]).toEqual([0xc4, 0x62n, 0n, 3n]);
    expect(utf16At(view, name)).toBe("sensdrv.sys");
    const own = recordsOf(view).held.filter(({ caller }) => holderOf(view, caller) === "sensdrv.sys");
    expect(own.map(({ bytes, poolTag: tag }) => [bytes, tag])).toEqual(Array(3).fill([400n, poolTag("Sens")]));
    for (const { block } of own) expect(view.memory.read(block - 12n, 4)).toEqual(new Uint8Array(Buffer.from("Sens")));
  });

  it("6.6/14: without the check go on for ever, leave their blocks behind, and are remembered as unloaded", async () => {
    const { view, host } = await crashed(stopping(UNLOADED));
    const console_ = host.console("subject");
    const times = console_.split("driver sensdrv.sys unloaded").length - 1;
    expect(times).toBeGreaterThanOrEqual(3);
    expect(console_.split("driver sensdrv.sys loaded").length - 1).toBeGreaterThanOrEqual(times);
    const at = view.word(view.kdbg.mmUnloadedDrivers);
    const gone = Array.from({ length: times + 1 }, (_, slot) => at + BigInt((slot + 1) * unloadedDriver.size));
    expect(gone.slice(0, times).map((slot) => view.text(slot))).toEqual(Array(times).fill("sensdrv.sys"));
    for (const slot of gone.slice(0, times)) {
      const { startAddress } = unloadedDriver.read(view.memory.read(slot, unloadedDriver.size));
      expect(() => view.memory.read(startAddress, 8)).toThrow();
      expect(view.modules.some(({ dllBase }) => dllBase === startAddress)).toBe(false);
    }
  });

  it("with all blocks freed are nothing to stop for", async () => {
    const { event, host, view } = await stopUnder(FOR_ALL, stopping(tidy));
    expect(event.stopCode).toBe(0x50);
    expect(host.console("subject")).toContain("driver sensdrv.sys unloaded");
    const { block, held } = recordsOf(view);
    expect(held).toHaveLength(block.inUse);
    expect(block.tracked).toBeGreaterThan(100n);
  });

  it("are tracked when it is armed for them, by name", async () => {
    const other = await stopUnder([{ check: "pool-tracking", target: "spooler.sys" }], stopping(UNLOADED));
    expect(other.event.stopCode).toBe(0x50);
    const { held } = recordsOf(other.view);
    expect(new Set(held.map(({ caller }) => holderOf(other.view, caller)))).toEqual(new Set(["spooler.sys"]));
    const own = await stopUnder([{ check: "pool-tracking", target: "SensDrv.sys" }], stopping(UNLOADED));
    expect(own.event.stopCode).toBe(0xc4);
  });
});

describe("blocks that are tracked", () => {
  it.each([1, 8])("6.6/15: a write of %d bytes past the end of a block is found when it is freed", async (bytes) => {
    const { host, event, view } = await stopUnder(FOR_ALL, overrun(bytes));
    expect(event.stopCode).toBe(0xc4);
    expect(readDiagnosis(host.nonVolatile("subject")).state.stop!.tag).toBe(poolTag("Rcrd"));
    const [kind, block] = event.parameters;
    expect([0x51n, 0x52n, 0x54n]).toContain(kind);
    expect([...view.memory.read(block + 207n, bytes + 1)]).toEqual(Array(bytes + 1).fill(0xd0));
    const entry = recordsOf(view).held.find((one) => one.block === block);
    expect(holderOf(view, entry!.caller)).toBe("scanrecv.sys");
  });

  it("of special pool are recorded too", async () => {
    const both = [...FOR_ALL, { check: "special-pool", target: null }];
    const { event, view } = await stopUnder(both, UNLOADED);
    expect(event.parameters.toSpliced(1, 1)).toEqual([0x62n, 0n, 3n]);
    const own = recordsOf(view).held.filter(({ caller }) => holderOf(view, caller) === "sensdrv.sys");
    expect(own.map(({ guarded, block }) => [guarded, (block + 400n) & 0xfffn])).toEqual(Array(3).fill([0, 0n]));
  });

  it("6.6/3: are none while it is not armed: no record is written, and no block is longer", async () => {
    const { host, view } = await crashed(stopping(tidy));
    expect(host.counters().checkRecordsWritten).toBe(0);
    expect(recordsOf(view).block).toEqual({ entries: 0n, capacity: 0, inUse: 0, tracked: 0n, missed: 0n });
  });

  it("in whatever number leave the guest running: those without a place in the table are counted", async () => {
    const many = `drivers:
  - { name: spooler.sys, behaviour: pool-churn, options: { rate: 2000 per second, outstanding: 1000 } }
  - { name: spooler2.sys, behaviour: pool-churn, options: { rate: 2000 per second, outstanding: 1000 } }
  - { name: badge.sys, behaviour: null-dereference, options: { at: 2 s } }`;
    const { event, view, host } = await stopUnder(FOR_ALL, many);
    expect(event.stopCode).toBe(0x50);
    const { block, held } = recordsOf(view);
    expect(held).toHaveLength(block.capacity);
    expect(block.missed).toBeGreaterThan(0n);
    expect(host.counters().checkRecordsWritten).toBe(Number(block.tracked) * 2 - block.inUse + Number(block.missed));
  });
});

describe("the table of tracked blocks", () => {
  let kernel: Kernel;
  beforeEach(() => {
    const memoryBytes = 16 * 2 ** 20;
    const partition = new Hypervisor({ memoryBytes }).createPartition({
      name: "lab",
      memoryBytes,
      processors: 1,
      engine: "shadow",
    });
    const options = { partition, boot: 1, random: new Random(7), systemPtes: 1024, startedAt: 0n, pageFile: null };
    kernel = new Kernel({ ...options, armed: [{ check: "pool-tracking", target: null }] });
  });
  const tracked = (bytes: number) => {
    const block = kernel.nonPagedPool.allocate(bytes + 8, TAG);
    const entry = { block, bytes, poolTag: TAG, caller: 0x1000n, guarded: true };
    kernel.poolTracking!.record(entry);
    return entry;
  };

  it("tells a trailer that leads nowhere, to another's entry, or that is not one", () => {
    const { processor } = kernel.memory;
    const [first, second] = [tracked(100), tracked(100)];
    const found = () => {
      try {
        kernel.poolTracking!.examine(first);
      } catch (error) {
        return error instanceof TrailerDamage ? [error.kind, error.details] : error;
      }
      return "sound";
    };
    const behind = first.block + 100n;
    const own = processor.readU32(behind);
    expect(found()).toBe("sound");
    processor.writeU32(behind, 0xd0d0_d0d0);
    expect(found()).toEqual(["noEntry", [0n, 1024n]]);
    processor.writeU32(behind, processor.readU32(second.block + 100n));
    expect(found()).toMatchObject(["otherEntry", [expect.anything(), 100n]]);
    processor.writeU32(behind, own);
    processor.writeU8(behind + 6n, 0);
    expect(found()).toEqual(["changed", [behind, 100n]]);
  });

  it("finds blocks that took the place of others, and forgets each alone", () => {
    const { poolTracking: table } = kernel;
    // Addresses that a table of 1024 entries puts to the same place.
    const blocks = [1n, 2n, 3n].map((turn) => 0xffff_8000_0000_0000n + turn * 1024n * 16n);
    for (const block of blocks) table!.record({ block, bytes: 8, poolTag: TAG, caller: block, guarded: false });
    table!.forget(blocks[1]!);
    expect(blocks.map((block) => table!.find(block)?.caller ?? null)).toEqual([blocks[0], null, blocks[2]]);
    expect(table!.heldFrom(blocks[0]!, blocks[2]! + 1n)).toBe(2);
    expect(table!.heldFrom(blocks[0]!, blocks[2]!)).toBe(1);
    table!.record({ block: blocks[1]!, bytes: 9, poolTag: TAG, caller: 0n, guarded: false });
    expect(table!.find(blocks[1]!)?.bytes).toBe(9);
  });

  it("is not asked about a block whose header somebody has written over", () => {
    const { block } = tracked(100);
    const pool = kernel.nonPagedPool;
    expect(pool.isAsAllocated(block, 108, TAG)).toBe(true);
    const { processor } = kernel.memory;
    for (const at of [14n, 13n, 12n]) {
      const old = processor.readU8(block - at);
      processor.writeU8(block - at, at === 13n ? 0 : 0xd0);
      expect(pool.isAsAllocated(block, 108, TAG)).toBe(false);
      processor.writeU8(block - at, old);
    }
    expect(pool.isAsAllocated(block, 108, TAG)).toBe(true);
  });
});

it("a scenario's checks are armed from a partition's first start on", async () => {
  const rest = `armed:
  - { check: pool-tracking, target: sensdrv.sys }
${UNLOADED}`;
  const host = new EmulatedHost(labScenario(rest));
  expect(await host.nextEvent()).toMatchObject({ armed: [{ check: "pool-tracking", target: "sensdrv.sys" }] });
  expect(await untilItStops(host)).toMatchObject({ stopCode: 0xc4 });
  expect(viewOf(host).modules.some(({ name }) => name === "sensdrv.sys")).toBe(true);
});
