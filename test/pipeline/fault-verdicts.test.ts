import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import type { RunReport } from "../../src/pipeline/index.ts";
import { fixture, stopcode, stopcodeJson, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const SEEDS = ["1", "2", "3"] as const;

let homes = 0;
const known = new Map<string, RunReport[]>();

/** A shipped scenario with three seeds, by the command line; each of them ends as the scenario says. */
function runs(name: string): RunReport[] {
  const before = known.get(name);
  if (before !== undefined) return before;
  const path = fixture(`scenarios/${name}.yaml`);
  const reports = SEEDS.map((seed) =>
    stopcodeJson<RunReport>(["host", "run", path, "--seed", seed], folder.in(`home${homes++}`)),
  );
  for (const { unexpected } of reports) expect(unexpected).toEqual([]);
  known.set(name, reports);
  return reports;
}

const bootsOf = (reports: readonly RunReport[], boot: number) => reports.map(({ boots }) => boots[boot - 1]!);
const culpritsOf = ({ boots }: RunReport) => boots.flatMap(({ findings }) => findings.map(({ culprit }) => culprit));
const mean = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
const secondsOf = ({ crash, harm }: RunReport["boots"][number]) => crash!.atSeconds - harm!.begunAtSeconds;

describe("a driver's mistake that stops the machine at once", () => {
  it.each([
    ["wild-pointer", "0x50", "driver-page-fault", "mixer.sys"],
    ["wild-pointer-dispatch", "0xd1", "driver-bad-address", "mixer.sys"],
    ["wild-pointer-non-canonical", "0x7e", "driver-unhandled-exception", "mixer.sys"],
    ["stack-overflow", "0x7f", "driver-stack-overflow", "nestfs.sys"],
    ["write-to-read-only", "0xbe", "driver-wrote-read-only", "hookmon.sys"],
  ] as const)(
    "%s ends in %s with any seed, is told by %s, and names nobody but %s",
    (name, stopCode, rule, culprit) => {
      for (const report of runs(name)) {
        const [{ crash, findings, harm }] = report.boots as [RunReport["boots"][number]];
        expect(crash).toMatchObject({ stopCode });
        expect(findings[0]).toMatchObject({ rule, verdict: "probable" });
        expect(new Set(culpritsOf(report).map(({ name: named }) => named))).toEqual(new Set([culprit]));
        expect(harm).toMatchObject({ bytesOfOthers: 0 });
      }
    },
  );
});

describe("a list that is broken", () => {
  it("is its driver's doing for sure only when special pool has kept others away", () => {
    for (const [first, second] of runs("corrupt-list").map(({ boots }) => boots)) {
      expect(first!.findings).toMatchObject([{ rule: "list-corrupt", verdict: "suspect" }]);
      expect(second!.armed).toEqual([{ check: "special-pool", target: null }]);
      expect(second!.findings).toMatchObject([{ rule: "driver-corrupted-its-list", verdict: "probable" }]);
    }
  });
});

describe("a fault that damages memory of others", () => {
  const SCENARIOS = ["pool-overrun", "pool-underrun", "use-after-free"] as const;

  it.each(SCENARIOS)("6.6/19: %s has damaged others when nothing is on, and none when special pool is", (name) => {
    const reports = runs(name);
    for (const { harm } of bootsOf(reports, 1)) expect(harm!.bytesOfOthers).toBeGreaterThan(0);
    for (const { harm, findings } of bootsOf(reports, 2)) {
      expect(harm!.bytesOfOthers).toBe(0);
      expect(findings[0]).toMatchObject({ verdict: "identified" });
    }
  });

  it.each(["pool-overrun", "use-after-free"] as const)(
    "6.6/18: %s is noticed sooner with special pool on than without, in the mean of three seeds",
    (name) => {
      const reports = runs(name);
      expect(mean(bootsOf(reports, 2).map(secondsOf))).toBeLessThan(mean(bootsOf(reports, 1).map(secondsOf)));
    },
  );
});

describe("memory that fails", () => {
  it("6.6/25: a single bit in a process's page is the memory's doing, and no driver's", () => {
    for (const report of runs("memory-bit-flips")) {
      const [expected, found] = report.boots[0]!.crash!.parameters.slice(2).map(Number) as [number, number];
      expect(Math.log2((expected ^ found) >>> 0) % 1).toBe(0);
      expect(culpritsOf(report)).toEqual([{ kind: "hardware", name: "memory" }]);
    }
  });

  it("6.6/25: a single bit in the pool accuses no driver, and under special pool the memory", () => {
    for (const report of runs("memory-bit-flips-pool")) {
      expect(report.boots[1]!.crash!.parameters[3]).toBe("0x32");
      expect(culpritsOf(report).some(({ kind }) => kind === "driver")).toBe(false);
      expect(report.verdict).toMatchObject({ kind: "hardware", culprit: "memory", confidence: "suspect" });
    }
  });

  it("6.6/25: an address that one bit makes another accuses the memory, and not the driver that followed it", () => {
    const stops = runs("memory-bit-flips-links").flatMap(({ boots }) => boots);
    const followed = stops.filter(({ crash }) => ["0x50", "0x7e"].includes(crash!.stopCode));
    expect(followed.length).toBeGreaterThan(0);
    for (const { findings } of followed)
      expect(findings).toMatchObject([
        { rule: "address-bit-flipped", verdict: "suspect", culprit: { name: "memory" } },
      ]);
    expect(stops.flatMap(({ findings }) => findings).some(({ verdict }) => verdict !== "suspect")).toBe(false);
  });

  it("is named by the hardware itself where that can tell", () => {
    for (const report of runs("machine-check"))
      expect(culpritsOf(report)).toEqual([{ kind: "hardware", name: "processor, memory or power" }]);
  });
});

describe("a device that writes to memory which its driver has freed", () => {
  it("6.6/26: who meets the damage is a bystander, and with DMA remapping on, the device's driver is named, and nobody else", () => {
    for (const report of runs("dma-after-free")) {
      const [without, special, remapped] = report.boots;
      expect(without!.findings[0]).toMatchObject({ verdict: "suspect", culprit: { kind: "unknown" } });
      expect(special!.findings[0]).toMatchObject({ rule: "special-block-damaged-apart", verdict: "suspect" });
      expect(remapped!.armed.map(({ check }) => check)).toEqual(["special-pool", "dma-remapping"]);
      expect(remapped!.findings).toMatchObject([
        {
          rule: "device-wrote-after-unmapping",
          evidence: [
            {},
            { text: expect.stringContaining("StartTransfer") },
            { text: expect.stringContaining("EndTransfer") },
          ],
        },
      ]);
      expect(culpritsOf(report).filter(({ kind }) => kind === "driver")).toEqual([
        { kind: "driver", name: "scancard.sys" },
      ]);
    }
  });

  it("6.6/18, 6.6/19: is stopped sooner with DMA remapping on than without checks, and before it has damaged others", () => {
    const reports = runs("dma-after-free");
    expect(mean(bootsOf(reports, 3).map(secondsOf))).toBeLessThan(mean(bootsOf(reports, 1).map(secondsOf)));
    for (const { harm } of bootsOf(reports, 1)) expect(harm!.bytesOfOthers).toBeGreaterThan(0);
    for (const { harm } of bootsOf(reports, 3)) expect(harm!.bytesOfOthers).toBe(0);
  });
});

describe("a run that comes to another verdict than its scenario says", () => {
  it.each([
    ["confidence: probable", "confidence: identified", "verdict: confidence identified was expected, probable came"],
    [
      "culprit: hookmon.sys, confidence",
      "culprit: spooler.sys, confidence",
      "verdict: culprit spooler.sys was expected, hookmon.sys came",
    ],
    ["{ kind: driver", "{ kind: hardware", "verdict: kind hardware was expected, driver came"],
    [
      "confidence: probable }",
      "confidence: probable, bystander: spooler.sys }",
      "verdict: bystander spooler.sys was expected, none came",
    ],
    [
      "stopCode: 0xBE",
      "stopCode: [0xD1, 0x50]",
      "stop 1: mail 0xd1 or 0x50 by hookmon.sys was expected, mail 0xbe by hookmon.sys came",
    ],
    [
      "expect:\n  - { partition: mail, stopCode: 0xBE, culprit: hookmon.sys }\nverdict: { kind: driver, culprit: hookmon.sys, confidence: probable }",
      "verdict: none",
      "no more stops were expected, mail 0xbe came",
      "verdict: none was expected, hookmon.sys came",
    ],
  ])("says so and exits with 1: %s is %s", (from, to, ...complaints) => {
    const text = readFileSync(fixture("scenarios/write-to-read-only.yaml"), "utf8");
    expect(text).toContain(from);
    const path = folder.in(`changed${homes++}.yaml`);
    writeFileSync(path, text.replace(from, to));
    const { status, stdout } = stopcode(["host", "run", path, "--json"], folder.in(`home${homes++}`));
    expect((JSON.parse(stdout) as RunReport).unexpected).toEqual(complaints);
    expect(status).toBe(1);
  });
});
