import { describe, expect, it } from "vitest";
import { CRASH_MESSAGE, CRASH_NO_DUMP, CRASH_NOTIFY, Hypervisor, type Partition } from "../../src/hypervisor/index.ts";

const MIB = 2 ** 20;
const PAGE = 4096;

function host(...names: string[]) {
  const hypervisor = new Hypervisor({ memoryBytes: 16 * MIB });
  const partitions = names.map((name) => hypervisor.createPartition({ name, memoryBytes: MIB, processors: 2 }));
  return { hypervisor, partitions: partitions as [Partition, Partition, ...Partition[]] };
}

const refuses = (code: string) => expect.objectContaining({ code });

/** Everything a guest can do: each access of each processor, each hypercall. */
const deeds = (partition: Partition): (() => unknown)[] => [
  ...partition.processors.flatMap((processor) => [
    () => processor.readU8(0n),
    () => processor.readU64(0xffcn),
    () => processor.read(0n, 8192),
    () => processor.translate(0, 0, 0),
    () => processor.writeU32(0n, 1),
    () => processor.write(0xff0n, new Uint8Array(64)),
  ]),
  () => partition.appendConsole("still here"),
  () => partition.markPrivate(0, 1),
  () => partition.unmarkPrivate(0, 1),
  () => partition.registerCrashNote(0, PAGE),
];

describe("failure management 2.7/1: after its failure a guest executes nothing", () => {
  it("no access, no hypercall; its memory stands still; another guest goes on", () => {
    const { partitions } = host("web", "db");
    const [web, db] = partitions;
    web.processors[0]!.writeU32(0x100n, 0xdead_beef);
    web.appendConsole("going down\n");
    web.writeCrashControl(CRASH_NOTIFY);
    expect(web.state).toBe("crashed");
    const executed = web.accesses;
    const before = web.memory.read(0, MIB);
    for (const deed of deeds(web)) expect(deed).toThrow(refuses("hypervisor/not-running"));
    expect(web.accesses).toBe(executed);
    expect(Buffer.from(web.memory.read(0, MIB)).equals(before)).toBe(true);
    expect(web.console).toBe("going down\n");
    for (const deed of deeds(db)) deed();
    expect(db.accesses).toBe(12);
  });

  it("it cannot be resumed, only reset", () => {
    const { partitions } = host("web");
    const [web] = partitions;
    web.writeCrashControl(CRASH_NOTIFY);
    web.suspend();
    expect(web.state).toBe("crashed");
    expect(() => web.resume()).toThrow(refuses("hypervisor/crashed"));
    web.reset();
    expect(web.state).toBe("running");
    web.processors[0]!.readU8(0n);
  });
});

describe("failure management 2.7/12: a suspended guest stands still until it is resumed", () => {
  it("no access and no hypercall is executed in between", () => {
    const { partitions } = host("web");
    const [web] = partitions;
    web.suspend();
    for (const deed of deeds(web)) expect(deed).toThrow(refuses("hypervisor/not-running"));
    expect(() => web.writeCrashControl(CRASH_NOTIFY)).toThrow(refuses("hypervisor/not-running"));
    expect([web.accesses, web.crash]).toEqual([0, null]);
    web.resume();
    for (const deed of deeds(web)) deed();
  });
});

describe("failure management 2.7/2: no suitable partition exists", () => {
  it("an additional one is created as dump partition, and found again the next time", () => {
    const { hypervisor, partitions } = host("web");
    const dumper = hypervisor.dumpPartition();
    expect(hypervisor.partitions).toEqual([partitions[0], dumper]);
    expect(hypervisor.dumpPartition()).toBe(dumper);
    expect(hypervisor.guestMemory(dumper, partitions[0]).runs()).toEqual([{ firstPage: 0, pageCount: 256 }]);
  });

  it("a designated one that runs is taken; one that crashed or is gone is replaced", () => {
    const { hypervisor, partitions } = host("web", "dump");
    const [, designated] = partitions;
    hypervisor.designateDumpPartition(designated);
    expect(hypervisor.dumpPartition()).toBe(designated);
    designated.writeCrashControl(CRASH_NOTIFY);
    const second = hypervisor.dumpPartition();
    expect([second === designated, second.name]).toEqual([false, "dump-2"]);
    hypervisor.guestMemory(second, designated).read(0, PAGE);
    hypervisor.destroy(second);
    expect(hypervisor.dumpPartition().state).toBe("running");
  });

  it("a host without room for one says so", () => {
    const hypervisor = new Hypervisor({ memoryBytes: MIB });
    hypervisor.createPartition({ name: "web", memoryBytes: MIB, processors: 1 });
    expect(() => hypervisor.dumpPartition()).toThrow(refuses("hypervisor/out-of-memory"));
    expect(hypervisor.partitions).toHaveLength(1);
  });
});

describe("failure management 2.7/3: who may read physical memory", () => {
  it("the dump partition reads any page of the host and of any guest", () => {
    const { hypervisor, partitions } = host("web", "db");
    const [web, db] = partitions;
    db.memory.write(0x5000, new TextEncoder().encode("canary of db"));
    hypervisor.designateDumpPartition(web);
    const whole = hypervisor.physicalMemory(web);
    const frame = db.memory.hostFrame(5)!;
    expect(new TextDecoder().decode(whole.read(frame * PAGE, 12))).toBe("canary of db");
    expect(new TextDecoder().decode(hypervisor.guestMemory(web, db).read(0x5000, 12))).toBe("canary of db");
    for (const { firstPage, pageCount } of whole.runs()) whole.read(firstPage * PAGE, pageCount * PAGE);
    expect(whole.runs()).toEqual([{ firstPage: 0, pageCount: 4096 }]);
    expect(whole.pageState(frame)).toBe("present");
    expect([whole.pageState(4095), whole.pageState(4096)]).toEqual(["zero", "absent"]);
    expect(() => whole.read(16 * MIB - 1, 2)).toThrow(refuses("memory/absent"));
  });

  it("no other partition does, of whatever memory", () => {
    const { hypervisor, partitions } = host("web", "db");
    const [web, db] = partitions;
    hypervisor.designateDumpPartition(web);
    const denied = refuses("hypervisor/access-denied");
    expect(() => hypervisor.physicalMemory(db)).toThrow(denied);
    expect(() => hypervisor.guestMemory(db, web)).toThrow(denied);
  });

  it("what the reader reads, it cannot change", () => {
    const { hypervisor, partitions } = host("web", "db");
    const [web, db] = partitions;
    hypervisor.designateDumpPartition(web);
    hypervisor.guestMemory(web, db).read(0, PAGE).fill(0xff);
    hypervisor
      .physicalMemory(web)
      .read(0, 16 * MIB)
      .fill(0xff);
    expect(db.memory.readU32(0)).toBe(0);
  });

  it("the right may come with creation, and ends with the designation, with suspension and with destruction", () => {
    const { hypervisor, partitions } = host("web", "db");
    const [web, db] = partitions;
    const agent = hypervisor.createPartition({
      name: "agent",
      memoryBytes: MIB,
      processors: 1,
      rights: "all-physical-memory",
    });
    const byAgent = hypervisor.guestMemory(agent, web);
    byAgent.read(0, 1);
    hypervisor.designateDumpPartition(db);
    const byDb = hypervisor.guestMemory(db, web);
    byDb.read(0, 1);
    hypervisor.designateDumpPartition(web);
    const denied = refuses("hypervisor/access-denied");
    for (const use of [() => byDb.read(0, 1), () => byDb.runs(), () => byDb.pageState(0)]) expect(use).toThrow(denied);
    agent.suspend();
    expect(() => byAgent.read(0, 1)).toThrow(denied);
    agent.resume();
    byAgent.read(0, 1);
    hypervisor.destroy(agent);
    expect(() => byAgent.read(0, 1)).toThrow(denied);
  });

  it("a partition of another host is refused even under the same name", () => {
    const { hypervisor, partitions } = host("web");
    const stranger = new Hypervisor({ memoryBytes: MIB }).createPartition({
      name: "web",
      memoryBytes: MIB,
      processors: 1,
      rights: "all-physical-memory",
    });
    expect(() => hypervisor.guestMemory(stranger, partitions[0])).toThrow(refuses("hypervisor/access-denied"));
    expect(() => hypervisor.designateDumpPartition(stranger)).toThrow(refuses("hypervisor/unknown-partition"));
    expect(() => hypervisor.destroy(stranger)).toThrow(refuses("hypervisor/unknown-partition"));
    expect(stranger.state).toBe("running");
  });
});

describe("failure management 2.7/13: crash registers", () => {
  const parameters = [0x3fn, 1n, 2n, 0xffff_f800_0000_0000n, 1n << 63n] as const;
  const stop = (partition: Partition, control: bigint, values: readonly bigint[] = parameters) => {
    values.forEach((value, index) => {
      partition.writeCrashParameter(index, value);
    });
    partition.writeCrashControl(control);
  };

  it("the host has exactly the five values and the control word", () => {
    const { partitions } = host("web");
    stop(partitions[0], CRASH_NOTIFY | CRASH_NO_DUMP);
    expect(partitions[0].crash).toEqual({ parameters, control: 0xa000_0000_0000_0000n, message: null });
  });

  it("with the message bit, the text at P3 of P4 bytes too", () => {
    const { partitions } = host("web");
    const text = new TextEncoder().encode("Oops: größter anzunehmender Unfall");
    partitions[0].memory.write(0x6ff8, text);
    stop(partitions[0], CRASH_NOTIFY | CRASH_MESSAGE, [1n, 2n, 3n, 0x6ff8n, BigInt(text.length)]);
    expect(partitions[0].crash?.message).toBe("Oops: größter anzunehmender Unfall");
  });

  it("at most 4096 bytes of it", () => {
    const { partitions } = host("web");
    partitions[0].memory.fill(0x6000, 8192, 0x41);
    stop(partitions[0], CRASH_NOTIFY | CRASH_MESSAGE, [1n, 2n, 3n, 0x6000n, (1n << 64n) - 1n]);
    expect(partitions[0].crash?.message).toBe("A".repeat(4096));
  });

  it("a text where no memory is costs the text only", () => {
    const { partitions } = host("web");
    stop(partitions[0], CRASH_NOTIFY | CRASH_MESSAGE, [1n, 2n, 3n, (1n << 64n) - 1n, 100n]);
    expect(partitions[0].crash).toMatchObject({ message: null, parameters: [1n, 2n, 3n, (1n << 64n) - 1n, 100n] });
  });

  it("a second control write is ignored, and so are parameters after the first", () => {
    const { partitions } = host("web");
    stop(partitions[0], CRASH_NOTIFY);
    stop(partitions[0], CRASH_NOTIFY | CRASH_MESSAGE, [9n, 9n, 9n, 9n, 9n]);
    expect(partitions[0].crash).toMatchObject({ parameters, control: CRASH_NOTIFY });
  });

  it("without the notify bit nothing happens; after a reset the registers are 0 and a crash can be told again", () => {
    const { partitions } = host("web");
    const [web] = partitions;
    stop(web, CRASH_MESSAGE);
    expect([web.state, web.crash]).toEqual(["running", null]);
    stop(web, CRASH_NOTIFY);
    const told = web.crash;
    web.reset();
    expect(web.crash).toBeNull();
    expect(told?.parameters).toEqual(parameters);
    web.writeCrashControl(CRASH_NOTIFY);
    expect(web.crash?.parameters).toEqual([0n, 0n, 0n, 0n, 0n]);
  });

  it("there is no parameter 5", () => {
    const { partitions } = host("web");
    for (const index of [-1, 5, 0.5])
      expect(() => partitions[0].writeCrashParameter(index, 0n)).toThrow(refuses("hypervisor/crash-parameter"));
  });
});

describe("failure management 2.7/8: a guest says which pages are private", () => {
  it("as runs of guest frames, merged and sorted, until it takes the mark back or is reset", () => {
    const { partitions } = host("web");
    const [web] = partitions;
    web.markPrivate(20, 4);
    web.markPrivate(5, 1);
    web.markPrivate(24, 2);
    web.markPrivate(22, 3);
    web.markPrivate(255, 1);
    expect(web.privateRuns()).toEqual([
      { firstPage: 5, pageCount: 1 },
      { firstPage: 20, pageCount: 6 },
      { firstPage: 255, pageCount: 1 },
    ]);
    web.unmarkPrivate(21, 2);
    expect(web.privateRuns().slice(1, 3)).toEqual([
      { firstPage: 20, pageCount: 1 },
      { firstPage: 23, pageCount: 3 },
    ]);
    web.reset();
    expect(web.privateRuns()).toEqual([]);
  });

  it("pages that the guest does not have cannot be marked", () => {
    const { partitions } = host("web");
    for (const [firstPage, pageCount] of [
      [255, 2],
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [0, 2 ** 40],
    ] as const)
      expect(() => partitions[0].markPrivate(firstPage, pageCount)).toThrow(refuses("hypervisor/page-range"));
    expect(partitions[0].privateRuns()).toEqual([]);
  });
});

describe("a partition's life", () => {
  it("reset zeroes memory and processors and keeps name, size and the non-volatile store", () => {
    const { partitions } = host("web");
    const [web] = partitions;
    const fresh = { ...web.processors[0]!.registers };
    web.memory.fill(0, MIB, 0xcc);
    web.processors[1]!.registers.rsp = 0x1234n;
    web.processors[0]!.registers.cr3 = 0x1000n;
    web.processors[0]!.pkru = 5;
    web.nonVolatile.set([1, 2, 3], 4000);
    web.appendConsole("booting\n");
    web.registerCrashNote(0x1000, 8192);
    web.reset();
    expect(web.memory.read(0, MIB).every((byte) => byte === 0)).toBe(true);
    for (const processor of web.processors) expect({ ...processor.registers }).toEqual(fresh);
    expect([web.processors[0]!.pkru, web.console, web.crashNote(), web.name]).toEqual([0, "", null, "web"]);
    expect([...web.nonVolatile.subarray(4000, 4003)]).toEqual([1, 2, 3]);
  });

  it("destroying it gives zeroed frames back, frees its name, and ends its processors", () => {
    const { hypervisor, partitions } = host("web", "db");
    const [web, db] = partitions;
    const free = hypervisor.counters().hostPagesFree!;
    web.memory.fill(0, MIB, 0xab);
    web.nonVolatile.fill(0xab);
    hypervisor.destroy(web);
    expect(web.nonVolatile.includes(0xab)).toBe(false);
    expect(hypervisor.counters()).toMatchObject({ hostPagesFree: free + 256, partitions: 1, partitionsDestroyed: 1 });
    hypervisor.designateDumpPartition(db);
    expect(
      hypervisor
        .physicalMemory(db)
        .read(0, 16 * MIB)
        .includes(0xab),
    ).toBe(false);
    for (const deed of deeds(web)) expect(deed).toThrow(refuses("hypervisor/not-running"));
    for (const deed of [() => web.resume(), () => web.suspend(), () => web.reset()])
      expect(deed).toThrow(refuses("hypervisor/destroyed"));
    expect(() => hypervisor.partition("web")).toThrow(refuses("hypervisor/unknown-partition"));
    expect(hypervisor.createPartition({ name: "web", memoryBytes: MIB, processors: 1 })).toBe(
      hypervisor.partition("web"),
    );
  });

  it("names are unique, processors 1 to 64", () => {
    const { hypervisor } = host("web");
    const create = (name: string, processors: number) =>
      hypervisor.createPartition({ name, memoryBytes: MIB, processors });
    expect(() => create("web", 1)).toThrow(refuses("hypervisor/name-taken"));
    for (const processors of [0, 65, 1.5])
      expect(() => create("new", processors)).toThrow(refuses("hypervisor/processors"));
    expect(hypervisor.counters().hostPagesFree).toBe(4096 - 256);
  });

  it("the console keeps the newest text when there is too much", () => {
    const { partitions } = host("web");
    const line = `${"x".repeat(1023)}\n`;
    for (let i = 0; i < 3000; i++) partitions[0].appendConsole(line);
    partitions[0].appendConsole("last words");
    expect(partitions[0].console).toHaveLength(2 ** 20);
    expect(partitions[0].console.endsWith("x\nlast words")).toBe(true);
  });

  it("the crash note is what stands at its place when it is asked for", () => {
    const { partitions } = host("web");
    const [web] = partitions;
    expect(web.crashNote()).toBeNull();
    web.registerCrashNote(0x3ff8, 8192);
    web.memory.write(0x3ff8, new TextEncoder().encode("PAGEDU64"));
    web.writeCrashControl(CRASH_NOTIFY);
    expect(web.crashNote()).toHaveLength(8192);
    expect(new TextDecoder().decode(web.crashNote()!.subarray(0, 8))).toBe("PAGEDU64");
  });

  it.each([
    [MIB - 4096, 8192],
    [-4096, 8192],
    [0, 0],
    [0, 65_537],
    [0.5, 8],
    [0, Number.NaN],
  ])("a crash note at %d of %d bytes is refused", (gpa, bytes) => {
    const { partitions } = host("web");
    expect(() => partitions[0].registerCrashNote(gpa, bytes)).toThrow(refuses("hypervisor/crash-note"));
  });
});
