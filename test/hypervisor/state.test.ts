import { describe, expect, it } from "vitest";
import { PAGE_SIZE, type PhysicalMemory } from "../../src/binary/index.ts";
import { WholeHostMemory } from "../../src/hypervisor/foreign-memory.ts";
import { auditState, Hypervisor, readState, regionBytes } from "../../src/hypervisor/index.ts";
import type { SharingRequest } from "../../src/hypervisor/sharing/index.ts";
import { transport, writeState } from "../../src/hypervisor/state/index.ts";
import { ACCESS_WRITE } from "../../src/paging/index.ts";
import { AuditedMachine } from "./audit-machine.ts";
import { operate } from "./audit-operations.ts";
import { enterLongMode, map, PTE } from "./guest-tables.ts";
import { generator } from "./random-tables.ts";

/** A machine in the middle of things: shadow pages, TLB slots, flushes, requests. */
function busyMachine(seed = 5): AuditedMachine {
  const machine = new AuditedMachine({ engine: "shadow", budgetPages: 256 });
  const requests: SharingRequest[] = [];
  const below = generator(seed);
  for (let index = 0; index < 400; index++) operate(machine, requests, below(2 ** 32 - 1), index);
  return machine;
}

const BUG_CHECK = { code: 0x20001, parameters: [3n, 1n, 0xffff_8000_0000_1000n, 0x5000n] as const };

/** A machine that has crashed: two guests, one with shadow tables, and a dump partition. */
function crashedMachine() {
  const hypervisor = new Hypervisor({ memoryBytes: 16 * 2 ** 20 });
  const web = hypervisor.createPartition({ name: "web", memoryBytes: 2 ** 21, processors: 2, engine: "shadow" });
  hypervisor.createPartition({ name: "db · größer", memoryBytes: 2 ** 20, processors: 1, engine: "tlb" });
  hypervisor.reserveCrashRegion();
  const dump = hypervisor.dumpPartition();
  const processor = web.processors[0]!;
  enterLongMode(web.memory, processor);
  for (let page = 0; page < 8; page++) map(web.memory, page, 0x80 + page, 7n);
  for (let page = 0; page < 8; page++) processor.translate(0, page * PAGE_SIZE, page % 2 === 0 ? ACCESS_WRITE : 0);
  return { hypervisor, web, dump };
}

function regionOf(memory: PhysicalMemory, { crashRegion }: Hypervisor): Uint8Array {
  const { firstFrame, frames } = crashRegion!;
  return memory.read(firstFrame * PAGE_SIZE, frames * PAGE_SIZE);
}

describe("the hypervisor's state in a region of memory", () => {
  it("read back is the state that was written, and is audited alike", () => {
    for (const seed of [5, 6, 7]) {
      const machine = busyMachine(seed);
      const state = machine.state();
      const back = readState(writeState(state));
      expect(back).toEqual(state);
      expect(back.partitions[0]!.shadowEntries.length).toBeGreaterThan(0);
      expect(auditState(back, new WholeHostMemory(machine.host))).toEqual(machine.audit());
    }
  });

  it("leaves out the largest parts where there is no room, says so, and is not audited for what is missing", () => {
    const machine = busyMachine();
    const whole = writeState(machine.state());
    const most = Math.floor(whole.length / 2);
    const short = writeState(machine.state(), most);
    expect(short.length).toBeLessThanOrEqual(most);
    const state = readState(short);
    expect(state.omitted.length).toBeGreaterThan(0);
    const { corruptions, unchecked } = auditState(state, new WholeHostMemory(machine.host));
    expect(corruptions).toEqual([]);
    expect(unchecked.map(({ reason }) => reason)).toContain("sections that found no room in the crash region");
  });

  it("is refused with the place when any bit of it is flipped", () => {
    const region = writeState(busyMachine().state());
    const below = generator(99);
    const places = [...Array.from({ length: 300 }, () => below(region.length)), 0, 9, 0xd, 0x11, 0x19, 0x1d];
    for (const place of places) {
      const damaged = region.slice();
      damaged[place]! ^= 1 << below(8);
      const error = refusalOf(() => readState(damaged));
      expect(error, `bit flipped at ${place}`).toMatchObject({ code: "hypervisor/state" });
      expect(error.where.offset).toBeTypeOf("number");
    }
  });

  it("is refused when it is cut short, anywhere", () => {
    const region = writeState(busyMachine().state());
    for (const length of [0, 1, 0x7f, 0x80, 0x200, region.length >> 1, region.length - 1])
      expect(refusalOf(() => readState(region.subarray(0, length)))).toMatchObject({
        code: "hypervisor/state",
        where: { offset: length },
      });
  });

  it("is no state before its valid flag stands, which is written last (systems.md 2.4)", () => {
    const written = writeState(busyMachine().state());
    const region = new Uint8Array(written.length);
    const readable: boolean[] = [];
    transport(written, (offset, bytes) => {
      // As far as half of each part, and then all of it: someone who looks in between sees no state.
      region.set(bytes.subarray(0, bytes.length >> 1), offset);
      readable.push(regionBytes(region) !== null);
      region.set(bytes, offset);
      readable.push(regionBytes(region) !== null);
    });
    expect(readable).toEqual([false, false, false, true]);
    expect(refusalOf(() => readState(writtenInvalid(written)))).toMatchObject({ where: { offset: 0xc } });
  });
});

function writtenInvalid(written: Uint8Array): Uint8Array {
  const region = written.slice();
  region.fill(0, 0xc, 0x10);
  return region;
}

function refusalOf(what: () => unknown) {
  try {
    what();
  } catch (error) {
    return error as { code: string; where: { offset?: number } };
  }
  throw new Error("not refused");
}

describe("dump agent 2.7/5: a hypervisor crash leaves the state in the region, then signals", () => {
  it("the agent finds bug check, partitions and shadow pages there, and audits them as the hypervisor did", () => {
    const { hypervisor, dump } = crashedMachine();
    const live = hypervisor.audit();
    const seen: unknown[] = [];
    hypervisor.onCrash((...carried: unknown[]) => {
      expect(carried).toEqual([]);
      const memory = hypervisor.physicalMemory(dump);
      const state = readState(regionOf(memory, hypervisor));
      seen.push(
        state.stopCode,
        state.parameters,
        state.partitions.map(({ name }) => name),
      );
      const { checked, corruptions } = auditState(state, memory);
      expect(corruptions).toEqual([]);
      expect(checked).toEqual(live.checked);
      expect(checked.shadowEntries).toBeGreaterThan(8);
    });
    expect(hypervisor.crashRegion).toBeNull();
    hypervisor.crash(BUG_CHECK);
    expect(seen).toEqual([0x20001, BUG_CHECK.parameters, ["web", "db · größer", "dump"]]);
    expect(hypervisor.bugCheck).toEqual(BUG_CHECK);
  });

  it("lazy flags are written first (1.4/17)", () => {
    const { hypervisor, web } = crashedMachine();
    expect(web.memory.readU64(PTE(0)) & 0x60n).toBe(0n);
    hypervisor.crash(BUG_CHECK);
    expect(web.memory.readU64(PTE(0)) & 0x60n).toBe(0x60n);
    expect(web.memory.readU64(PTE(1)) & 0x60n).toBe(0x20n);
  });

  it("only the first crash counts, and each listener is told once", () => {
    const { hypervisor } = crashedMachine();
    let told = 0;
    hypervisor.onCrash(() => told++);
    hypervisor.crash(BUG_CHECK);
    const region = hypervisor.crashRegion;
    hypervisor.crash({ code: 1, parameters: [0n, 0n, 0n, 0n] });
    expect([told, hypervisor.crashRegion, hypervisor.bugCheck]).toEqual([1, region, BUG_CHECK]);
  });

  it("uses what was reserved where the host has no memory left, and is silent about nothing it left out", () => {
    const { hypervisor, dump } = crashedMachine();
    hypervisor.createPartition({
      name: "rest",
      memoryBytes: hypervisor.counters().hostPagesFree! * PAGE_SIZE,
      processors: 1,
    });
    hypervisor.crash(BUG_CHECK);
    expect(hypervisor.crashRegion?.frames).toBe(16);
    const state = readState(regionOf(hypervisor.physicalMemory(dump), hypervisor));
    expect(state.partitions.map(({ name }) => name)).toEqual(["web", "db · größer", "dump", "rest"]);
    expect(state.stopCode).toBe(0x20001);
  });

  it("has no region where there is no memory for one, and signals all the same", () => {
    const hypervisor = new Hypervisor({ memoryBytes: 2 ** 20 });
    hypervisor.createPartition({ name: "all", memoryBytes: 2 ** 20, processors: 1 });
    let told = false;
    hypervisor.onCrash(() => {
      told = true;
    });
    expect(hypervisor.reserveCrashRegion()).toBe(false);
    hypervisor.crash(BUG_CHECK);
    expect([told, hypervisor.crashRegion]).toEqual([true, null]);
  });
});

describe("dump agent 2.7/12: the whole machine stands still before the first page is copied", () => {
  it("all partitions but the dump partition are suspended when the agent is told", () => {
    const { hypervisor, dump } = crashedMachine();
    let states: string[] = [];
    hypervisor.onCrash(() => {
      states = hypervisor.partitions.map((partition) => `${partition.name} ${partition.state}`);
    });
    hypervisor.crash(BUG_CHECK);
    expect(states).toEqual(["web suspended", "db · größer suspended", `${dump.name} running`]);
    expect(() => hypervisor.partition("web").processors[0]!.translate(0, 0, 0)).toThrowError(
      expect.objectContaining({ code: "hypervisor/not-running" }),
    );
  });
});
