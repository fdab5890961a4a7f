import { afterAll, describe, expect, it } from "vitest";
import type { RunReport } from "../../src/pipeline/index.ts";
import { fixture, stopcode, stopcodeJson, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

let homes = 0;
const home = () => folder.in(`home${homes++}`);
const run = (name: string, ...args: string[]) =>
  stopcodeJson<RunReport>(["host", "run", fixture(`scenarios/${name}.yaml`), ...args], home());

const armedOf = ({ boots }: RunReport) => boots.map(({ armed }) => armed.map(({ check }) => check));

describe("sessions one after another, of the real machine", () => {
  it("6.6/22: clean sessions have the checks step down, costliest first, and at the end nothing is recorded any more", () => {
    const report = run("clean-sessions");
    expect(report.unexpected).toEqual([]);
    const both = ["pte-tracking", "special-pool"];
    expect(armedOf(report)).toEqual([
      ...[[], ["pte-tracking"], both, both, both],
      ...[["pte-tracking"], ["pte-tracking"], ["pte-tracking"], []],
    ]);
    expect(report.boots.map(({ crash }) => crash?.stopCode ?? "clean")).toEqual([
      ...["0x3f", "0x19", "clean", "clean", "clean", "clean", "clean", "clean", "clean"],
    ]);
    expect(report.hypervisor.counters.checkRecordsWritten).toBe(0);
    expect(report.selfDiagnosis.office).toMatchObject({
      armed: [],
      steppedDown: [
        { check: "pte-tracking", stopCode: "0x3f", boot: 9 },
        { check: "special-pool", stopCode: "0x19", boot: 6 },
      ],
      stops: [
        { stopCode: "0x3f", count: 1, firstBoot: 1 },
        { stopCode: "0x19", count: 1, firstBoot: 2 },
      ],
    });
    // A session earlier the last check is still at work.
    expect(run("clean-sessions", "--boots", "8").hypervisor.counters.checkRecordsWritten).toBeGreaterThan(0);
  });

  it("6.6/17: what is armed, why and since when is told as it happens, and stands in the report", () => {
    const path = fixture("scenarios/clean-sessions.yaml");
    const { stdout } = stopcode(["host", "run", path, "--boots", "4"], home());
    expect(stdout).toMatch(/boot 2 +office starts\n +armed +pte-tracking since boot 2 because of 0x3F\n/);
    expect(stdout).toContain("pte-tracking since boot 2 because of 0x3F · special-pool since boot 3 because of 0x19");
    const { selfDiagnosis } = stopcodeJson<RunReport>(["host", "run", path, "--boots", "3"], home());
    expect(selfDiagnosis.office!.armed).toMatchObject([
      { check: "pte-tracking", target: null, stopCode: "0x3f", boot: 2, isPart: false },
      { check: "special-pool", target: null, stopCode: "0x19", boot: 3, isPart: false },
    ]);
    expect(selfDiagnosis.office!.armed[0]!.at).toMatch(/^2026-01-15T03:12:\d\d\.\d{3}Z$/);
  });

  it("the same stop code again while a check is armed for it: a suspect driver, then all third parties, then all", () => {
    const { boots } = run("null-dereference-dispatch", "--boots", "5");
    const targets = boots.map(({ armed }) =>
      armed.filter(({ check }) => check === "special-pool").map(({ target }) => target),
    );
    expect(targets).toEqual([[], ["spooldrv.sys"], ["third-party"], [null], [null]]);
  });

  it("6.6/23: two starts that fail while a check is armed disarm it, and the report says that it prevents the start", () => {
    for (const seed of ["61", "2"]) {
      const report = run("checks-prevent-start", "--seed", seed);
      expect(report.unexpected).toEqual([]);
      expect(armedOf(report)).toEqual([[], ["special-pool"], ["special-pool"], [], []]);
      expect(report.selfDiagnosis.cache).toMatchObject({
        armed: [],
        preventingStart: [{ check: "special-pool", stopCode: "0x19", boot: 4 }],
      });
      // It comes up again, and lives as long as it did before anything was armed.
      const [first, ...others] = report.boots.map(({ crash }) => crash!.atSeconds);
      expect(Math.max(...others.slice(0, 2))).toBeLessThan(1);
      expect(Math.min(first!, ...others.slice(2))).toBeGreaterThan(10);
    }
    const { stdout } = stopcode(["host", "run", fixture("scenarios/checks-prevent-start.yaml")], home());
    expect(stdout).toMatch(/boot 4 +cache starts\n(.*\n)* +prevented +the start, twice: special-pool/);
  });
});
