import { beforeEach, describe, expect, it } from "vitest";
import { PAGE_SIZE, Random } from "../../src/binary/index.ts";
import { checkRecords } from "../../src/dumpfile/index.ts";
import { specialPoolStopCode } from "../../src/guest/faults/special-pool-fault.ts";
import { Kernel } from "../../src/guest/kernel/kernel.ts";
import { poolTag } from "../../src/guest/memory/pool.ts";
import { SpecialPoolDamage, specialPoolHeader } from "../../src/guest/memory/special-pool.ts";
import { EmulatedHost } from "../../src/host/index.ts";
import { Hypervisor, PageFault } from "../../src/hypervisor/index.ts";
import { labScenario, untilItStops, type View, viewOf } from "./lab.ts";
import { exportsOf } from "./unwind-twin.ts";

const TAG = poolTag("Test");
const FOR_ALL = [{ check: "special-pool", target: null }] as const;

/** A start with checks armed, up to its stop. */
async function armedStop(rest: string, arm: readonly { check: string; target: string | null }[]) {
  const host = new EmulatedHost(labScenario(rest));
  await host.restart("subject", { arm });
  const event = await untilItStops(host);
  if (event.kind !== "crashed") throw new Error("the guest did not stop");
  return { host, event, view: viewOf(host) };
}

function coverageOf({ modules, memory }: View) {
  const base = modules[0]!.dllBase;
  const rva = exportsOf((at, bytes) => memory.read(base + BigInt(at), bytes)).get("LabCheckRecords")!;
  const { specialEligible, specialGiven } = checkRecords.read(memory.read(base + BigInt(rva), checkRecords.size));
  return { eligible: Number(specialEligible), given: Number(specialGiven) };
}

/** Which module an address lies in. */
const holderOf = ({ modules }: View, address: bigint) =>
  modules.find(({ dllBase, sizeOfImage }) => address >= dllBase && address < dllBase + BigInt(sizeOfImage))?.name;

const churn = (more = "") => `
  - { name: spooler.sys, behaviour: pool-churn, options: { rate: 300 per second${more} } }`;
const overrun = (bytes: number, size = 208) => `drivers:
  - { name: scanrecv.sys, behaviour: pool-overrun, options: { at: 1 s, rate: 200 per second, bytes: ${bytes}, size: ${size} } }${churn()}`;
const underrun = (bytes: number) => `drivers:
  - { name: wrapper.sys, behaviour: pool-underrun, options: { at: 1 s, rate: 100 per second, bytes: ${bytes} } }${churn()}`;
const touch = (access: string) => `drivers:
  - { name: lanmodem.sys, behaviour: use-after-free, options: { at: 1 s, access: ${access} } }${churn()}`;

describe("blocks of special pool", () => {
  let kernel: Kernel;
  beforeEach(() => {
    const memoryBytes = 16 * 2 ** 20;
    const partition = new Hypervisor({ memoryBytes }).createPartition({
      name: "lab",
      memoryBytes,
      processors: 1,
      engine: "shadow",
    });
    const random = new Random(5);
    kernel = new Kernel({
      partition,
      boot: 1,
      random,
      systemPtes: 1024,
      startedAt: 0n,
      armed: FOR_ALL,
      pageFile: null,
    });
  });
  const freeing = (block: bigint): unknown => {
    try {
      kernel.specialPool!.free(block);
    } catch (error) {
      return error instanceof SpecialPoolDamage ? [error.kind, error.details[0]] : error;
    }
    return "sound";
  };

  it.each([1, 8, 15, 16, 17, 208, 4079, 4080])(
    "of %d bytes end at the end of their page, rounded to 16, and keep what is written",
    (bytes) => {
      const { processor } = kernel.memory;
      const block = kernel.specialPool!.allocate(bytes, TAG);
      const page = block & ~0xfffn;
      expect(Number(block - page)).toBe(PAGE_SIZE - Math.ceil(bytes / 16) * 16);
      const { pattern, ...header } = specialPoolHeader.read(processor.read(page, specialPoolHeader.size));
      expect(header).toEqual({ bytes, reserved: 0, poolTag: TAG, reserved2: 0n });
      const whole = processor.read(page, PAGE_SIZE);
      const behind = Number(block - page) + bytes;
      expect(
        [...whole.subarray(16, Number(block - page)), ...whole.subarray(behind)].every((byte) => byte === pattern),
      ).toBe(true);
      processor.write(block, new Uint8Array(bytes).fill(0xd0));
      expect(() => processor.readU8(page + BigInt(PAGE_SIZE))).toThrow(PageFault);
      expect(freeing(block)).toBe("sound");
      expect(() => processor.readU8(block)).toThrow(PageFault);
    },
  );

  it("are for what leaves room for the header in a page", () => {
    expect([4080, 4081].map((bytes) => kernel.specialPool!.fits(bytes))).toEqual([true, false]);
  });

  it("6.6/25: are looked at when they are freed: before, behind, one bit alone, a bad address, freed twice", () => {
    const { processor } = kernel.memory;
    const block = kernel.specialPool!.allocate(200, TAG);
    const damaged = (at: bigint, bits: number) => {
      const byte = processor.readU8(at);
      processor.writeU8(at, byte ^ bits);
      const found = freeing(block);
      processor.writeU8(at, byte);
      return found;
    };
    expect(damaged(block - 1n, 0x3)).toEqual(["damagedBefore", block - 1n]);
    expect(damaged((block & ~0xfffn) + 16n, 0xff)).toEqual(["damagedBefore", (block & ~0xfffn) + 16n]);
    expect(damaged(block + 200n, 0x81)).toEqual(["damagedBehind", block + 200n]);
    expect(damaged(block + 207n, 0x81)).toEqual(["damagedBehind", block + 207n]);
    for (const at of [block - 100n, block + 203n]) expect(damaged(at, 0x20)).toEqual(["singleBit", at]);
    expect(freeing(block + 16n)).toEqual(["badAddress", 200n]);
    // The header's copy of the pattern: the whole page differs from it.
    for (const bits of [0x2, 0x80])
      expect(damaged((block & ~0xfffn) + 2n, bits)).toEqual(["singleBit", (block & ~0xfffn) + 2n]);
    expect(freeing(block)).toBe("sound");
    expect(freeing(block)).toEqual(["notAllocated", 0n]);
  });

  it("are damaged, where several bytes are, at the one nearest to the block; where the header is none any more, there", () => {
    const { processor } = kernel.memory;
    const block = kernel.specialPool!.allocate(200, TAG);
    const page = block & ~0xfffn;
    const kept = processor.read(page, PAGE_SIZE);
    const damaged = (at: bigint, bytes: number) => {
      processor.write(at, new Uint8Array(bytes).fill(0xd0));
      const found = freeing(block);
      processor.write(page, kept);
      return found;
    };
    expect(damaged(block - 24n, 24)).toEqual(["damagedBefore", block - 1n]);
    expect(damaged(page + 100n, 50)).toEqual(["damagedBefore", page + 149n]);
    expect(damaged(block + 200n, 8)).toEqual(["damagedBehind", block + 200n]);
    for (const bytes of [3, 4, 16, 512, Number(block - page)])
      expect(damaged(page, bytes)).toEqual(["damagedBefore", page]);
    expect(damaged(page + 8n, 1)).toEqual(["damagedBefore", page]);
    expect(freeing(block)).toBe("sound");
  });

  it("have addresses that are used again after all others, round after round", () => {
    const pool = kernel.specialPool!;
    const round = () =>
      Array.from({ length: kernel.physical.pages }, () => {
        const block = pool.allocate(64, TAG);
        pool.free(block);
        return block;
      });
    const first = round();
    expect(new Set(first).size).toBe(kernel.physical.pages);
    expect(first).not.toContain(0n);
    expect([round(), round()]).toEqual([first, first]);
  });

  it("fault as what was done to them: the end was passed, or the block is gone, by the system or by a driver", () => {
    const block = kernel.specialPool!.allocate(64, TAG);
    const behind = block + 64n;
    const [system, driver] = [kernel.nt.base + 0x1000n, 0xffff_f80f_0000_1000n];
    const codes = () =>
      [block, behind].flatMap((address) => [system, driver].map((rip) => specialPoolStopCode(kernel, address, rip)));
    expect(codes().slice(2)).toEqual([0xcd, 0xd6]);
    kernel.specialPool!.free(block);
    expect(codes()).toEqual([0xcc, 0xd5, 0xcc, 0xd5]);
    expect(specialPoolStopCode(kernel, kernel.nonPagedPool.start, driver)).toBeNull();
  });

  it("are as many as an eighth of memory, and each that is freed makes room for another", () => {
    const blocks: bigint[] = [];
    for (let block = 1n; block !== 0n; blocks.push(block)) block = kernel.specialPool!.allocate(64, TAG);
    expect(blocks.pop()).toBe(0n);
    expect(blocks).toHaveLength(kernel.physical.pages / 8);
    expect(new Set(blocks).size).toBe(blocks.length);
    kernel.specialPool!.free(blocks[7]!);
    expect(kernel.specialPool!.allocate(64, TAG)).not.toBe(0n);
    expect(kernel.specialPool!.allocate(64, TAG)).toBe(0n);
  });
});

describe("special pool, armed", () => {
  it("6.6/10: a driver that writes one byte past its block stops with 0xD6, at the write", async () => {
    const { event, view } = await armedStop(overrun(1), FOR_ALL);
    expect(event.stopCode).toBe(0xd6);
    const [touched, access, instruction, unused] = event.parameters;
    expect([touched & 0xfffn, access, unused]).toEqual([0n, 1n, 0n]);
    expect(holderOf(view, instruction)).toBe("scanrecv.sys");
    expect([...view.memory.read(instruction, 2)]).toEqual([0xf3, 0xaa]); // rep stosb
    const header = specialPoolHeader.read(view.memory.read(touched - 0x1000n, specialPoolHeader.size));
    expect(header).toMatchObject({ bytes: 208, poolTag: poolTag("Rcrd") });
  });

  it("6.6/11: a driver that writes one byte before its block stops with 0xC1 and 0x23, at its next call", async () => {
    const { event, view } = await armedStop(underrun(1), FOR_ALL);
    expect(event.stopCode).toBe(0xc1);
    const [block, damage, , kind] = event.parameters;
    expect(kind).toBe(0x23n);
    expect(damage).toBe(block - 1n);
    expect(view.memory.read(damage, 1)[0]).toBe(0xd0);
  });

  it("6.6/18: a write before a block is met at the next block, also where its driver frees none", async () => {
    const keeps = `drivers:
  - { name: wrapper.sys, behaviour: pool-underrun, options: { at: 1 s, rate: 100 per second, outstanding: 1000 } }${churn()}`;
    const { host, event, view } = await armedStop(keeps, FOR_ALL);
    expect(event).toMatchObject({ stopCode: 0xc1, parameters: [expect.any(BigInt), expect.any(BigInt), 0n, 0x23n] });
    expect(event.atSeconds - host.harm("subject")!.begunAtSeconds).toBeLessThan(2 / 100);
    const header = specialPoolHeader.read(view.memory.read(event.parameters[0] & ~0xfffn, specialPoolHeader.size));
    expect(header.poolTag).toBe(poolTag("Rcrd"));
  });

  it.each([
    ["read", 0xd5, 0n, "lanmodem.sys"],
    ["write", 0xd5, 1n, "lanmodem.sys"],
    ["copy", 0xcc, 0n, "ntoskrnl.exe"],
  ] as const)(
    "6.6/12: a driver whose freed block is touched (%s) stops with %i",
    async (access, stopCode, how, module) => {
      const { event, view } = await armedStop(touch(access), FOR_ALL);
      expect(event.stopCode).toBe(stopCode);
      expect(event.parameters[1]).toBe(how);
      expect(holderOf(view, event.parameters[2])).toBe(module);
      expect(() => view.memory.read(event.parameters[0], 1)).toThrow();
    },
  );

  it("6.6/13: used up, it leaves blocks to the ordinary pool, and counts them", async () => {
    const many = `drivers:
  - { name: spooler.sys, behaviour: pool-churn, options: { rate: 2000 per second, outstanding: 1000 } }
  - { name: badge.sys, behaviour: null-dereference, options: { at: 2 s } }`;
    const { host, event, view } = await armedStop(many, FOR_ALL);
    expect(event.stopCode).toBe(0x50);
    const { eligible, given } = coverageOf(view);
    expect(eligible).toBeGreaterThan(1500);
    expect(given).toBeGreaterThanOrEqual(512);
    expect(given / eligible).toBeLessThan(0.95);
    expect(host.counters().checkRecordsWritten).toBe(eligible);
  });

  it("is for the driver it is armed for", async () => {
    const stopped = `${overrun(24)}
  - { name: badge.sys, behaviour: null-dereference, options: { at: 2 s } }`;
    const forOther = await armedStop(stopped, [{ check: "special-pool", target: "spooler.sys" }]);
    expect(forOther.event.stopCode).not.toBe(0xd6);
    const { eligible, given } = coverageOf(forOther.view);
    expect(eligible).toBeGreaterThan(100);
    expect(given).toBe(eligible);
    const forDriver = await armedStop(overrun(24), [{ check: "special-pool", target: "ScanRecv.sys" }]);
    expect(forDriver.event.stopCode).toBe(0xd6);
    expect(coverageOf(forDriver.view).eligible).toBe(24);
  });

  it("6.6/3: does nothing while it is not armed", async () => {
    const { host, view } = await armedStop(overrun(24), []);
    expect(host.counters().checkRecordsWritten).toBe(0);
    expect(coverageOf(view)).toEqual({ eligible: 0, given: 0 });
  });
});

describe("special pool with blocks at the start of their pages", () => {
  const START = [{ check: "special-pool-start", target: null }] as const;

  it("6.6/11: a driver that writes one byte before its block stops with 0xD6, at the write", async () => {
    const { event, view } = await armedStop(underrun(1), START);
    expect(event.stopCode).toBe(0xd6);
    const [touched, access, instruction] = event.parameters;
    expect([touched & 0xfffn, access]).toEqual([0xfffn, 1n]);
    expect(holderOf(view, instruction)).toBe("wrapper.sys");
    const header = specialPoolHeader.read(view.memory.read(touched + 1n + 4080n, specialPoolHeader.size));
    expect(header).toMatchObject({ bytes: 208, poolTag: poolTag("Rcrd") });
  });

  it("faults before a block as its start that was passed, and as a block that is gone when it is freed", () => {
    const memoryBytes = 16 * 2 ** 20;
    const options = { name: "lab", memoryBytes, processors: 1, engine: "shadow" } as const;
    const kernel = new Kernel({
      partition: new Hypervisor({ memoryBytes }).createPartition(options),
      ...{ boot: 1, random: new Random(5), systemPtes: 1024, startedAt: 0n, armed: START, pageFile: null },
    });
    const block = kernel.specialPool!.allocate(64, TAG);
    const [system, driver] = [kernel.nt.base + 0x1000n, 0xffff_f80f_0000_1000n];
    const codes = () => [system, driver].map((rip) => specialPoolStopCode(kernel, block - 1n, rip));
    expect(codes()).toEqual([0xcd, 0xd6]);
    expect(specialPoolStopCode(kernel, block + 4096n, driver)).toBe(0xd5);
    kernel.specialPool!.free(block);
    expect(codes()).toEqual([0xcc, 0xd5]);
  });

  it("6.6/11: finds a write past the end of a block at its free: 0xC1 with 0x24", async () => {
    const freed = overrun(1).replace("at: 1 s", "at: 1 s, frees: true");
    const { event } = await armedStop(freed, START);
    const [block, damage, , kind] = event.parameters;
    expect([event.stopCode, block & 0xfffn, damage - block, kind]).toEqual([0xc1, 0n, 208n, 0x24n]);
  });

  it.each([
    ["a tag", "tag:Rcrd"],
    ["a range of sizes", "size:201-208"],
    ["a driver", "wrapper.sys"],
  ])("may be for %s", async (_, target) => {
    const { event, view } = await armedStop(underrun(1), [{ check: "special-pool-start", target }]);
    expect([event.stopCode, event.parameters[0] & 0xfffn]).toEqual([0xd6, 0xfffn]);
    const { eligible, given } = coverageOf(view);
    expect([given, eligible < 150]).toEqual([eligible, true]);
  });

  it.each(["tag:Rcrx", "size:209-4000", "size:0-207"])("is for no block that %s does not say", async (target) => {
    const stopped = `${underrun(24).replace("at: 1 s", "at: 60 s")}
  - { name: badge.sys, behaviour: null-dereference, options: { at: 1 s } }`;
    const { event, view } = await armedStop(stopped, [{ check: "special-pool", target }]);
    expect(event.stopCode).toBe(0x50);
    const all = await armedStop(stopped, FOR_ALL);
    expect(coverageOf(view).eligible).toBeLessThan(coverageOf(all.view).eligible);
  });
});

describe("without special pool", () => {
  it.each([
    ["an overrun", overrun(24), [0x19]],
    ["an underrun", underrun(24), [0x19]],
    ["a write after free", touch("write"), [0x19, 0xc5]],
  ])("%s is met by whoever uses the pool next", async (_, rest, stopCodes) => {
    const { event } = await armedStop(rest, []);
    expect(stopCodes).toContain(event.stopCode);
  });
});
