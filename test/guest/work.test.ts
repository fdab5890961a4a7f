import { describe, expect, it } from "vitest";
import { dumpHeader64 } from "../../src/dumpfile/index.ts";
import { Guest, type PageExchange, processWork } from "../../src/guest/index.ts";
import {
  type EngineKind,
  FLUSH_ALL_ADDRESS_SPACES,
  FLUSH_ALL_PROCESSORS,
  Hypervisor,
  type Partition,
} from "../../src/hypervisor/index.ts";
import { VirtualMemory } from "../../src/paging/index.ts";

const alone: PageExchange = { offer: () => {}, begin: () => null };

/** A guest with processes that work, run for so many seconds or until it stops. */
function working(engine: EngineKind, options: Parameters<typeof processWork.parse>[0] = {}) {
  const host = new Hypervisor({ memoryBytes: 48 * 2 ** 20 });
  const partition = host.createPartition({ name: "desk", memoryBytes: 32 * 2 ** 20, processors: 2, engine });
  const work = processWork.parse(options);
  const guest = new Guest({
    partition,
    boot: 1,
    seed: 4,
    startedAt: new Date(0),
    systemPtes: 1024,
    pageFile: null,
    files: { read: () => {} },
    bootStorage: { adapterDriver: null, selfDump: false },
    drivers: [],
    procedures: [],
    memoryFaults: [],
    exchange: alone,
    processes: Array.from({ length: 5 }, () => ({
      name: "desk.exe",
      memoryBytes: 65_536,
      private: false,
      canary: null,
      work,
      reads: null,
      requests: null,
    })),
  });
  const run = (seconds: number) => {
    while (partition.state === "running" && guest.nextEvent < seconds * 1e7) guest.step();
  };
  return { partition, guest, run };
}

/** Where a page of process `number` lies, found by its stamps. */
function pageOf(memory: { pages: number; readWord(gpa: number): number }, number: number): number {
  for (let page = memory.pages - 1; page >= 0; page--)
    if (((memory.readWord(page * 4096) >>> 12) & 0xff) === number && isStamped(memory, page)) return page * 4096;
  throw new Error("there is no such page");
}

/** All eight stamps of a page are of one owner. */
function isStamped(memory: { readWord(gpa: number): number }, page: number): boolean {
  const owners = Array.from({ length: 8 }, (_, stamp) => memory.readWord(page * 4096 + stamp * 512) >>> 12);
  return owners[0] !== 0 && owners.every((owner) => owner === owners[0]);
}

/** Takes bits from all entries that map a stamped page, behind the kernel's back. */
function changeEntries(partition: Partition, kept: number): void {
  const { memory } = partition;
  partition.synchronizeFlags();
  for (let gpa = 0; gpa < memory.pages * 4096; gpa += 8) {
    const low = memory.readWord(gpa);
    const isLeaf = (low & 0xf87) === 7 && memory.readWord(gpa + 4) >>> 0 === 0x8000_0000;
    if (isLeaf && low >>> 12 < memory.pages && isStamped(memory, low >>> 12)) memory.writeWord(gpa, low & kept);
  }
  const flags = FLUSH_ALL_PROCESSORS | FLUSH_ALL_ADDRESS_SPACES;
  partition.flushAddressSpace({ addressSpace: 0n, flags, processors: 0n });
}

describe.each(["walk", "tlb", "shadow"] as const)("processes that work (%s)", (engine) => {
  it("find all their pages as they left them, while those are mapped anew and moved", () => {
    const { partition, run } = working(engine, { remaps: 8, largePages: 1, rate: "100 per second" });
    run(2);
    expect(partition.state).toBe("running");
    expect(partition.accesses).toBeGreaterThan(5 * 150 * 512);
  });

  it("stop the guest with 0x1A where a page is another's: which entry, what it should hold, and what it holds", () => {
    const { partition, run } = working(engine, { remaps: 0, rate: "100 per second" });
    run(0.5);
    const { memory } = partition;
    const [mine, other] = [pageOf(memory, 2), pageOf(memory, 3)];
    const expected = Array.from({ length: 8 }, (_, stamp) => BigInt(memory.readWord(mine + stamp * 512) >>> 0));
    memory.write(mine, memory.read(other, 4096));
    run(5);
    expect(partition.state).toBe("crashed");
    const { parameters } = partition.crash!;
    expect(parameters.slice(0, 2)).toEqual([0x1an, 0x403n]);
    const [, , entry, wanted, found] = parameters;
    expect(expected).toContain(wanted);
    expect(Number((found! >> 12n) & 0xffn)).toBe(3);
    const header = dumpHeader64.read(partition.crashNote()!);
    expect([header.bugCheckCode, header.bugCheckParameter1]).toEqual([0x1a, 0x403n]);
    // The entry's address is one of the self-map, and the entry leads to the page that was tampered with.
    const linear = new VirtualMemory(memory, { root: Number(header.directoryTableBase & ~0xfffn), levels: 4 });
    const leaf = new DataView(linear.read(entry!, 8).buffer).getBigUint64(0, true);
    expect(Number(leaf & 0xf_ffff_ffff_f000n)).toBe(mine);
    expect(partition.console).toContain("MEMORY_MANAGEMENT");
  });

  it("stop it with 0x1A where an entry's flags are not what was done with the page", () => {
    const { partition, run } = working(engine, { rate: "100 per second", remaps: 0, pages: 1024, accesses: 64 });
    run(0.5);
    changeEntries(partition, ~0x60);
    run(5);
    expect(partition.crash?.parameters.slice(0, 2)).toEqual([0x1an, 0x411n]);
  });

  it("fault as any program where a page is not there", () => {
    const { partition, run } = working(engine, { remaps: 0, pages: 4, rate: "100 per second" });
    run(0.5);
    changeEntries(partition, ~1);
    run(5);
    expect(partition.crash?.parameters[0]).toBe(0x50n);
    expect(partition.crash?.parameters[4]).toBe(0xfn);
  });
});
