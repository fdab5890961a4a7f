import { describe, expect, it } from "vitest";
import { Random } from "../../src/binary/index.ts";
import { fileReads } from "../../src/guest/index.ts";
import type { Kernel } from "../../src/guest/kernel/kernel.ts";
import { Services } from "../../src/guest/kernel/services.ts";
import { readFiles } from "../../src/guest/processes/file-reads.ts";
import { HostDisk } from "../../src/host/emulated/host-disk.ts";
import { EmulatedHost, parseScenario } from "../../src/host/index.ts";
import { pagingKernel } from "./paging-kernel.ts";

interface Asked {
  readonly offset: number;
  readonly bytes: number;
  readonly priority: string;
}

/** A kernel with a thread that reads from files which lie from 1 MiB on; what it asked for, each answered after 1 ms. */
function reader(options: Parameters<typeof fileReads.parse>[0], answer: (nth: number) => number = () => 0) {
  const kernel: Kernel = pagingKernel(null);
  const asked: Asked[] = [];
  const device = {
    read(offset: number, bytes: number, priority: string, done: (status: number) => void) {
      asked.push({ offset, bytes, priority });
      const status = answer(asked.length);
      kernel.clock.after(10_000, () => done(status));
    },
  };
  const start = kernel.images.find("nt!PspUserThreadStartup");
  const thread = kernel.processes.createThread(kernel.processes.system, start.address);
  thread.enter(start);
  thread.routine = readFiles(kernel, new Services(kernel), thread, {
    wanted: fileReads.parse(options),
    files: { device, offset: 2 ** 20 },
    random: new Random(4),
    name: "backup.exe",
  });
  kernel.dispatcher.makeReady(thread);
  const run = (seconds: number) => {
    while (kernel.clock.next <= seconds * 1e7) kernel.step();
  };
  return { kernel, asked, run };
}

describe("a process that reads files", () => {
  it("reads them from one end to the other and begins again, at the rate and the priority it was given", () => {
    const { asked, run } = reader({
      rate: "10 per second",
      bytes: "64 KiB",
      files: "256 KiB",
      order: "sequential",
      priority: "low",
    });
    run(20);
    expect(asked.length).toBeGreaterThan(170);
    expect(asked.length).toBeLessThan(215);
    asked.forEach(({ offset, bytes, priority }, index) => {
      expect([offset, bytes, priority]).toEqual([2 ** 20 + (index % 4) * 65_536, 65_536, "low"]);
    });
  });

  it("reads from all over them at random, and never behind their end", () => {
    const { asked, run } = reader({ rate: "100 per second", bytes: "8 KiB", files: "100 KiB" });
    run(10);
    const places = new Set(asked.map(({ offset }) => offset - 2 ** 20));
    expect([...places].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, index) => index * 8192));
  });

  it("says what it could not read, and goes on", () => {
    const { kernel, asked, run } = reader({ rate: "10 per second", order: "sequential" }, (nth) =>
      nth === 3 ? 0xc000_009c : 0,
    );
    run(2);
    expect(asked.length).toBeGreaterThan(4);
    expect(kernel.partition.console.match(/cannot be read/g)).toHaveLength(1);
    expect(kernel.partition.console).toContain(
      "backup.exe: 65536 bytes at 0x20000 of its files cannot be read: 0xc000009c",
    );
  });
});

describe("files on the host's disk", () => {
  it("are read in the order of priorities, whatever came first", () => {
    const disk = new HostDisk({ faults: [], streams: 0, seed: 1, usedSectors: 2 ** 20 });
    let now = 0;
    const ended: string[] = [];
    const files = disk.files(
      0,
      () => now,
      (_at, action) => action(),
    );
    // The first is under way when the others come; all lie about equally far from it.
    files.read(0, 4096, "normal", () => {});
    for (const [index, priority] of (["very-low", "low", "normal", "high"] as const).entries())
      files.read(2 ** 28 + index * 2 ** 18, 4096, priority, () => ended.push(priority));
    while (disk.next !== Number.POSITIVE_INFINITY) {
      now = disk.next;
      disk.step();
    }
    expect(ended).toEqual(["high", "normal", "low", "very-low"]);
    expect(disk.counters()).toMatchObject({ fileReads: 5, pageReads: 0 });
  });

  it("lie behind one another and behind the page files", async () => {
    const scenario = parseScenario(
      `name: files
description: two partitions read
host: { name: lab, memory: 80 MiB }
dumpPartition: { memory: 4 MiB }
duration: 10 s
partitions:
  - name: left
    memory: 32 MiB
    pageFile: 8 MiB
    processes: [{ name: one.exe, count: 2, reads: { files: 8 MiB, order: sequential, rate: 100 per second } }]
  - name: right
    memory: 32 MiB
    processes: [{ name: two.exe, reads: { files: 4 MiB, order: sequential, rate: 100 per second } }]
`,
      "files.yaml",
    );
    /** Whose reads fail when the sector below a page of the disk cannot be read. */
    const complaints = async (page: number) => {
      // A place that no scenario could name: it is behind the page file.
      const host = new EmulatedHost({
        ...scenario,
        diskFaults: [{ kind: "unreadable", at: 1, partition: "left", page }],
      });
      while ((await host.nextEvent()).kind !== "finished");
      return ["left", "right"].map((name) => {
        const line = /(\w+)\.exe: \d+ bytes at (0x[\da-f]+) of its files/.exec(host.console(name));
        return line ? `${line[1]} ${line[2]}` : null;
      });
    };
    expect(await complaints(0)).toEqual([null, null]);
    expect(await complaints(2047)).toEqual([null, null]);
    expect(await complaints(2048)).toEqual(["one 0x0", null]);
    expect(await complaints(2048 + 4096)).toEqual([null, "two 0x0"]);
  });

  it("are refused where the disk has no room for them", () => {
    const text = `name: large
description: too much
host: { name: lab, memory: 320 MiB }
partitions:
  - name: left
    memory: 256 MiB
    processes: [{ name: one.exe, count: 9, memory: 64 KiB, reads: { files: 4 GiB } }]
`;
    expect(() => new EmulatedHost(parseScenario(text, "large.yaml"))).toThrow(
      /page files and files take 36864 MiB, the host's disk has \d+ MiB/,
    );
  });
});
