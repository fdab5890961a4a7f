import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { fixture, stopcode, stopcodeJson, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

interface Run {
  readonly storage: { readonly counters: Readonly<Record<string, number>> };
  readonly unexpected: readonly string[] | null;
  readonly dumps: readonly { readonly partition: string; readonly pages: number; readonly folder: string }[];
  readonly boots: readonly {
    readonly crash: { readonly partition: string; readonly stopCode: string; readonly parameters: readonly string[] };
    readonly findings: readonly {
      readonly rule: string;
      readonly verdict: string;
      readonly culprit: { readonly kind: string; readonly name: string };
      readonly bystander: { readonly name: string } | null;
    }[];
    readonly selfDump: { readonly bytes: number; readonly seconds: number; readonly failure: string | null } | null;
  }[];
}

let homes = 0;
const run = (scenario: string, ...args: string[]) =>
  stopcodeJson<Run>(["host", "run", fixture(`scenarios/${scenario}.yaml`), ...args], folder.in(`home${homes++}`));

describe("a machine whose storage fails", () => {
  it.each([
    ["pagefile-bad-sector", "0x7a", "page-file-sector-unreadable", "probable", { kind: "hardware", name: "disk" }],
    ["pagefile-disk-gone", "0x7a", "page-file-disk-unreachable", "probable", { kind: "hardware", name: "disk" }],
    ["kernel-stack-bad-sector", "0x77", "page-file-sector-unreadable", "probable", { kind: "hardware", name: "disk" }],
    ["disk-timeout", "0x7a", "page-file-disk-unreachable", "probable", { kind: "hardware", name: "disk" }],
    ["storage-driver-crash", "0xd1", "driver-bad-address", "probable", { kind: "driver", name: "lanestor.sys" }],
    ["storage-driver-hang", "0x133", "driver-endless-dpc", "probable", { kind: "driver", name: "lanestor.sys" }],
    ["storage-driver-power", "0x9f", "driver-blocks-power-irp", "probable", { kind: "driver", name: "lanestor.sys" }],
  ] as const)("%s stops with %s, and is diagnosed by %s", (scenario, stopCode, rule, verdict, culprit) => {
    const { boots } = run(scenario);
    expect(boots).toHaveLength(1);
    const [{ crash, findings }] = boots as [Run["boots"][number]];
    expect(crash.stopCode).toBe(stopCode);
    expect(findings[0]).toMatchObject({ rule, verdict, culprit });
    // Whoever touched the page is not accused.
    expect(findings.some((finding) => finding.culprit.name === "lookup.sys")).toBe(false);
  });

  it.each([
    ["disk-reset", { retries: 1, resets: 1, timeouts: 0 }],
    ["disk-torn-write", { retries: 3, resets: 3, timeouts: 0 }],
    ["disk-slow-sector", { retries: 0, resets: 0, timeouts: 0 }],
  ] as const)("%s is got over by the disk's driver, and paging goes on", (scenario, counters) => {
    const { boots, storage, unexpected } = run(scenario);
    expect([boots, unexpected]).toEqual([[], []]);
    expect(storage.counters).toMatchObject({ ...counters, failures: 0 });
    expect(storage.counters.pageReads).toBeGreaterThan(400);
  });

  it("is only slower where a sector is", () => {
    const file = folder.in("no-slow-sector.yaml");
    const text = readFileSync(fixture("scenarios/disk-slow-sector.yaml"), "utf8");
    writeFileSync(file, text.replace(/diskFaults:\n.*\n/, ""));
    const reads = (run: Run) => run.storage.counters.pageReads!;
    const plain = stopcodeJson<Run>(["host", "run", file], folder.in("no-slow-sector"));
    expect(reads(run("disk-slow-sector"))).toBeLessThan(0.9 * reads(plain));
  });

  it("says that the disk timed out only after its driver has tried five times", () => {
    const { boots, storage } = run("disk-timeout");
    expect(boots[0]!.crash.parameters[1]).toBe("0xc00000b5");
    expect(storage.counters.timeouts).toBeGreaterThanOrEqual(5);
    expect(storage.counters.retries).toBeGreaterThanOrEqual(4);
  });

  it("does not find its boot volume when it is started again, and says so", () => {
    const { boots, storage } = run("boot-device-gone");
    expect(boots.map(({ crash }) => crash.stopCode)).toEqual(["0x7a", "0x7b"]);
    expect(boots[1]!.crash.parameters[1]).toBe("0xc000009d");
    expect(boots[1]!.findings[0]).toMatchObject({
      rule: "boot-device-unreachable",
      culprit: { kind: "hardware", name: "disk" },
    });
    // What of a dump goes to that disk has not been written.
    expect(storage.counters).toMatchObject({ dumpBytes: 0 });
    expect(storage.counters.dumpBytesLost).toBeGreaterThan(0);
  });

  it("names the driver that has the power request for every seed, and neither the one that waits nor the bus", () => {
    for (const seed of ["1", "2", "3", "4"]) {
      const [{ crash, findings }] = run("storage-driver-power", "--seed", seed).boots as [Run["boots"][number]];
      expect([crash.stopCode, crash.parameters[0]]).toEqual(["0x9f", "0x3"]);
      expect(findings.map(({ culprit, bystander }) => [culprit.name, bystander?.name])).toEqual([
        ["lanestor.sys", "idlewatch.sys"],
      ]);
    }
  });

  it("shows on a crash's screen who has the request and who handed it down", () => {
    const home = folder.in("blocked");
    const scenario = fixture("scenarios/storage-driver-power.yaml");
    const { boots } = stopcodeJson<{ boots: readonly { crashId: string }[] }>(["host", "run", scenario], home);
    const { stdout } = stopcode(["history", "show", boots[0]!.crashId], home);
    expect(stdout).toMatch(/request +IRP_MN_SET_POWER to D3, with lanestor\.sys\n +handed down by idlewatch\.sys\n/);
    expect(stdout).toMatch(/bucket .*module lanestor\.sys/);
  });

  it("is the same again for the same seed, and diagnosed alike for others", () => {
    const stops = ["11", "11", "12", "13", "14"].map((seed) => run("pagefile-bad-sector", "--seed", seed).boots[0]!);
    expect(stops[0]!.crash).toEqual(stops[1]!.crash);
    for (const { crash, findings } of stops) {
      expect(crash.stopCode).toBe("0x7a");
      expect(crash.parameters[1]).toBe("0xc000009c");
      expect(findings[0]!.culprit.name).toBe("disk");
    }
    expect(new Set(stops.map(({ crash }) => crash.parameters[3])).size).toBeGreaterThan(1);
  });
});

describe("a guest that dumps itself, beside the agent outside", () => {
  it.each([
    ["self-dump", null, 64 * 2 ** 20 + 8192],
    ["self-dump-no-room", /the page file has 64 MiB, a complete dump needs 65 MiB/, 0],
    ["storage-driver-crash", /lanestor\.sys stopped in the middle of a command/, 0],
  ] as const)(
    "2.7/17, 2.7/18: %s has the agent's dump whole, whatever becomes of its own",
    (scenario, failure, bytes) => {
      const { boots, dumps } = run(scenario);
      expect(dumps[0]).toMatchObject({ partition: "store", pages: 16_384 });
      const { selfDump, findings } = boots[0]!;
      expect(selfDump!.bytes).toBe(bytes);
      if (failure === null) expect(selfDump!.failure).toBeNull();
      else expect(selfDump!.failure).toMatch(failure);
      // The copy of a driver is nobody's culprit.
      expect(findings.map(({ culprit }) => culprit.name).join()).not.toMatch(/dump_/);
    },
  );

  it("is told of on the screen", () => {
    const { stdout } = stopcode(["host", "run", fixture("scenarios/self-dump-no-room.yaml")], folder.in("screen"));
    expect(stdout).toMatch(/self-dump none: the page file has 64 MiB/);
  });
});

describe("a dump of a machine that goes on", () => {
  it("5.6/17: is written whole beside streams and paging, and no stream misses a deadline", () => {
    const { storage, dumps, boots } = run("live-dump-under-media-load");
    expect(boots).toEqual([]);
    expect(dumps.map(({ partition, pages }) => [partition, pages])).toEqual([
      ["store", 32_768],
      ["index", 16_384],
    ]);
    const { mediaPeriods, mediaMisses, dumpBytes, dumpBytesLeft, pageReads, fileReads } = storage.counters;
    expect(mediaPeriods).toBeGreaterThan(1_400);
    expect(mediaMisses).toBe(0);
    expect(dumpBytes).toBeGreaterThan((32_768 + 16_384) * 4096);
    expect(dumpBytesLeft).toBe(0);
    expect(pageReads).toBeGreaterThan(500);
    expect(fileReads).toBeGreaterThan(500);
  });

  it("can be read like any other, and says what it is", () => {
    const home = folder.in("live");
    const { dumps } = stopcodeJson<Run>(["host", "run", fixture("scenarios/live-dump-under-media-load.yaml")], home);
    const facts = stopcodeJson<{ crash: { stopCode: { code: string } }; modules: { name: string }[] }>(
      ["analyze", `${dumps[1]!.folder}/memory.dmp`],
      home,
    );
    expect(facts.crash.stopCode.code).toBe("0x161");
    expect(facts.modules.map(({ name }) => name)).toContain("lookup.sys");
  });

  it("is refused where the disk could not serve the streams in time", () => {
    const text = readFileSync(fixture("scenarios/live-dump-under-media-load.yaml"), "utf8");
    const file = folder.in("too-many.yaml");
    writeFileSync(file, text.replace("streams: 12", "streams: 70"));
    const refused = stopcode(["host", "run", file], folder.in("refused"));
    expect(refused.status).toBe(3);
    expect(refused.stderr).toMatch(/70 streams in time · ask for \d+ fewer/);
  });
});
