import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { analyze } from "../../src/analysis/index.ts";
import { PAGE_SIZE } from "../../src/binary/index.ts";
import {
  driver,
  driverFile,
  Guest,
  type PageExchange,
  type PageFileDevice,
  type PolledTransfer,
  type ReadAhead,
  TICKS_PER_SECOND,
  type Transferred,
} from "../../src/guest/index.ts";
import { HostDisk } from "../../src/host/emulated/host-disk.ts";
import { EmulatedHost, parseScenario } from "../../src/host/index.ts";
import { Hypervisor } from "../../src/hypervisor/index.ts";
import { temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const MEMORY = 16 * 2 ** 20;
const NULL_POINTER = "behaviour: null-dereference, options: { at: 1 s, irql: dispatch }";
const IDLE = "behaviour: pool-churn";

interface Wanted {
  readonly pageFile?: string;
  /** What the driver of the adapter does, and another driver. */
  readonly adapter?: string;
  readonly other?: string;
  readonly diskFaults?: string;
}

/** A host whose guest stops, and is to write a dump of itself. */
function host({ pageFile = "17 MiB", adapter = IDLE, other = NULL_POINTER, diskFaults = "[]" }: Wanted): EmulatedHost {
  const text = `name: self-dump
description: a guest that dumps itself
host: { name: lab, memory: 24 MiB }
dumpPartition: { memory: 4 MiB }
duration: 60 s
diskFaults: ${diskFaults}
partitions:
  - name: subject
    memory: 16 MiB
    systemPtes: 1024
    pageFile: ${pageFile}
    selfDump: true
    adapterDriver: lanestor.sys
    drivers:
      - { name: lanestor.sys, ${adapter} }
      - { name: netfilt.sys, ${other} }
      - { name: lookup.sys, behaviour: pageable-table, options: { rate: 300 per second, pages: 300 } }
`;
  return new EmulatedHost(parseScenario(text, "self-dump.yaml"), { seed: 3 });
}

async function stopped(host: EmulatedHost): Promise<EmulatedHost> {
  for (;;) {
    const event = await host.nextEvent();
    if (event.kind === "crashed") return host;
    if (event.kind === "finished") throw new Error("nothing stopped");
  }
}

/** The contents of the page file up to where a dump of all memory ends, as a file. */
function extracted(host: EmulatedHost, name: string): string {
  mkdirSync(folder.in(""), { recursive: true });
  const path = folder.in(name);
  writeFileSync(path, host.pageFile("subject").subarray(0, 2 * PAGE_SIZE + MEMORY));
  return path;
}

/** A page file in memory; what is written in dump mode is there when it is looked at for the second time. */
class PageFileInMemory implements PageFileDevice {
  readonly pages = 17 * 256;
  readonly content = new Uint8Array(this.pages * PAGE_SIZE);
  writes = 0;
  /** So many writes in dump mode are answered. */
  answers = Number.POSITIVE_INFINITY;

  read(page: number, done: Transferred): void {
    done(0, this.content.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE));
  }

  readAhead(page: number, done: Transferred): ReadAhead {
    this.read(page, done);
    return { wanted: () => {} };
  }

  write(page: number, bytes: Uint8Array, done: Transferred): void {
    this.content.set(bytes, page * PAGE_SIZE);
    done(0, bytes);
  }

  writePolled(page: number, bytes: Uint8Array): PolledTransfer {
    if (this.writes === this.answers) return { status: null };
    let looks = 0;
    const write = () => {
      this.writes++;
      this.content.set(bytes, page * PAGE_SIZE);
    };
    return {
      get status() {
        if (looks++ === 0) return null;
        if (looks === 2) write();
        return 0;
      },
    };
  }
}

/** A guest by itself that has stopped; the system's own driver has its adapter. */
function stoppedGuest(selfDump: boolean) {
  const partition = new Hypervisor({ memoryBytes: 24 * 2 ** 20 }).createPartition({
    name: "subject",
    memoryBytes: MEMORY,
    processors: 1,
  });
  const device = new PageFileInMemory();
  const alone: PageExchange = { offer: () => {}, begin: () => null };
  const guest = new Guest({
    partition,
    boot: 1,
    seed: 3,
    startedAt: new Date(0),
    systemPtes: 1024,
    pageFile: device,
    files: { read: () => {} },
    bootStorage: { adapterDriver: null, selfDump },
    drivers: [driverFile(driver.parse({ name: "netfilt.sys", behaviour: "null-dereference", options: { at: "1 s" } }))],
    procedures: [],
    memoryFaults: [],
    exchange: alone,
    processes: [],
  });
  while (partition.state === "running") guest.step();
  return { guest, partition, device };
}

describe("a guest that writes a dump of itself", () => {
  it("2.7/17: fails where the page file is smaller than its memory and 1 MiB, and the memory can be dumped from outside", async () => {
    const small = await stopped(host({ pageFile: "17404 KiB" }));
    const dump = await small.selfDump("subject");
    expect(dump).toMatchObject({ bytes: 0, seconds: 0 });
    expect(dump!.failure).toMatch(/17 MiB/);
    const outside = small.memory("subject");
    for (let page = 0; page < MEMORY / PAGE_SIZE; page++) expect(outside.pageState(page)).not.toBe("absent");

    const large = await stopped(host({ pageFile: "17408 KiB" }));
    expect(await large.selfDump("subject")).toMatchObject({ bytes: 2 * PAGE_SIZE + MEMORY, failure: null });
  });

  it.each([
    ["stops at a null pointer", NULL_POINTER, "0xd1"],
    ["never ends a deferred procedure call", "behaviour: endless-dpc, options: { at: 1 s }", "0x133"],
  ])("2.7/18: fails where the driver of its adapter %s", async (_what, adapter, stopCode) => {
    const subject = await stopped(host({ adapter, other: IDLE }));
    const before = subject.pageFile("subject");
    const dump = await subject.selfDump("subject");
    expect(dump!.failure).toMatch(/dump_lanestor\.sys .* lanestor\.sys stopped in the middle of a command/);
    expect(dump!.seconds).toBeGreaterThanOrEqual(10);
    expect(Buffer.compare(subject.pageFile("subject"), before)).toBe(0);
    const note = subject.crashNote("subject");
    if (note.kind !== "windows") throw new Error("there is no dump header");
    const path = folder.in(`${stopCode}.dmp`);
    writeFileSync(path, Buffer.concat([note.header, subject.memory("subject").read(0, MEMORY)]));
    const facts = await analyze(path);
    expect(facts.crash!.stopCode!.code).toBe(stopCode);
    expect(facts.crash!.stack.some(({ module }) => module === "lanestor.sys")).toBe(true);
  });

  it("leaves what the analysis reads as it reads a dump from outside, its crash-time drivers among the modules", async () => {
    const subject = await stopped(host({}));
    const memory = subject.memory("subject").read(0, MEMORY);
    const dump = await subject.selfDump("subject");
    expect(dump!.failure).toBeNull();
    const path = extracted(subject, "self.dmp");
    expect(Buffer.compare(subject.pageFile("subject").subarray(2 * PAGE_SIZE, 2 * PAGE_SIZE + MEMORY), memory)).toBe(0);
    const facts = await analyze(path);
    expect(facts.dump).toMatchObject({ format: "windows-full", complete: true });
    expect(facts.crash!.stopCode!.code).toBe("0xd1");
    expect(facts.crash!.stack.some(({ module }) => module === "netfilt.sys")).toBe(true);
    const modules = facts.modules!.map(({ name }) => name);
    expect(modules).toEqual(expect.arrayContaining(["storport.sys", "dump_diskdump.sys", "dump_lanestor.sys"]));
  });

  it("tells its host that it will write one, or that it will not", () => {
    const NO_DUMP = 1n << 61n;
    expect(stoppedGuest(true).partition.crash!.control & NO_DUMP).toBe(0n);
    expect(stoppedGuest(false).partition.crash!.control & NO_DUMP).toBe(NO_DUMP);
  });

  it("is none until its last write, whatever dump was there before", () => {
    const { guest, device } = stoppedGuest(true);
    device.content.set(Buffer.from("PAGEDU64", "latin1"));
    guest.beginSelfDump(guest.now);
    const isDump = () => Buffer.from(device.content.subarray(0, 8)).toString("latin1") === "PAGEDU64";
    let written = 0;
    while (guest.selfDump === null) {
      guest.step();
      if (device.writes === written) continue;
      written = device.writes;
      expect(isDump()).toBe(guest.selfDump !== null);
    }
    // All of memory by 32 KiB, and the header twice.
    expect(written).toBe(MEMORY / 32_768 + 2);
    expect(isDump()).toBe(true);
  });

  it("gives up a request that is not answered, after 10 s", () => {
    const { guest, device } = stoppedGuest(true);
    device.answers = 3;
    guest.beginSelfDump(guest.now);
    const begun = guest.now;
    while (guest.selfDump === null) guest.step();
    expect(guest.selfDump.failure).toBe("dump_storahci.sys had no answer from the adapter for 10 s");
    expect(guest.now - begun).toBeGreaterThanOrEqual(10 * TICKS_PER_SECOND);
    expect(guest.now - begun).toBeLessThan(10.1 * TICKS_PER_SECOND);
  });

  it("fails where the disk does, and says with what", async () => {
    const subject = await stopped(host({ diskFaults: "[{ kind: dead, at: 3 s }]" }));
    const { failure, bytes } = (await subject.selfDump("subject"))!;
    expect(failure).toBe("the disk answered a write with 0xc000009d");
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(MEMORY);
    // What is there of it is not taken for a dump.
    expect(Buffer.from(subject.pageFile("subject").subarray(0, 8)).toString("latin1")).not.toBe("PAGEDU64");
  });

  it("is not spoilt by what was on its way to the page file when the guest stopped", () => {
    const disk = new HostDisk({ faults: [], streams: 0, seed: 1, usedSectors: 64 * 8 });
    const device = disk.pageFile(
      0,
      64,
      () => 0,
      () => {},
    );
    const pages = (count: number, value: number) => new Uint8Array(count * PAGE_SIZE).fill(value);
    device.write(20, pages(1, 1), () => {});
    device.write(3, pages(1, 1), () => {});
    const polled = device.writePolled(0, pages(8, 2));
    while (disk.next !== Number.POSITIVE_INFINITY) disk.step();
    expect(polled.status).toBe(0);
    expect(disk.contentOf(0, 8)).toEqual(pages(8, 2));
  });

  it("is told of by the next start, which finds it in the page file", async () => {
    const subject = await stopped(host({}));
    await subject.selfDump("subject");
    await subject.restart("subject", { arm: [] });
    for (let event = 0; event < 1; event++) await subject.nextEvent();
    await stopped(subject);
    expect(subject.console("subject")).toMatch(/the page file holds a dump of the last stop, 0xd1: 4096 pages/);
  });

  it("writes while others go on", async () => {
    const text = host({}).scenario;
    const beside = { ...text.partitions[0]!, name: "beside", memory: MEMORY / 2, selfDump: false, drivers: [] };
    const two = await stopped(
      new EmulatedHost(
        {
          ...text,
          host: { ...text.host, memory: 40 * 2 ** 20 },
          partitions: [...text.partitions, { ...beside, adapterDriver: undefined }],
        },
        { seed: 3 },
      ),
    );
    const before = two.counters().guestEvents!;
    const { seconds } = (await two.selfDump("subject"))!;
    expect(seconds).toBeGreaterThan(1);
    const clockInterrupts = seconds * 64;
    const polls = seconds * 10_000;
    expect(two.counters().guestEvents! - before).toBeGreaterThan(polls + clockInterrupts * 0.9);
  });
});
