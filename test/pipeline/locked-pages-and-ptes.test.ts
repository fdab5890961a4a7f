import { describe, expect, it } from "vitest";
import type { CrashDocument, RunReport } from "../../src/pipeline/index.ts";
import { fixture, stopcodeJson } from "../stopcode.ts";
import { scenarioRuns, stopsOf } from "./scenario-runs.ts";

const { home, runFile, changed } = scenarioRuns();
const run = (path: string, ...args: string[]) => runFile(path, ...args).report;

describe("the staged procedure for locked pages and system PTEs, from the first stop to the name", () => {
  it.each([
    [
      "locked-pages",
      ["0x76", "process-has-locked-pages"],
      ["0xcb", "driver-left-locked-pages"],
      "framegrb.sys",
      "recorder.exe",
    ],
    ["pte-misuse", ["0xdb", "mapping-spoilt"], ["0xda", "driver-frees-mapping-wrongly"], "captdrv.sys", "lanring.sys"],
  ] as const)(
    "6.6/20: %s, with any seed: the report names who did it, by what the check recorded",
    (name, first, second, culprit, bystander) => {
      const path = fixture(`scenarios/${name}.yaml`);
      const report = run(path);
      expect(report.unexpected).toEqual([]);
      for (const seeded of [report, run(path, "--seed", "2"), run(path, "--seed", "3")]) {
        expect(stopsOf(seeded)).toEqual([first, second]);
        expect(seeded.boots[0]!.findings[0]).toMatchObject({ verdict: "suspect", culprit: { kind: "unknown" } });
        expect(seeded.verdict).toEqual({ culprit, kind: "driver", confidence: "identified", bystander });
      }
    },
  );

  it("6.6/8: the facts of 0xCB tell who locked the pages, read from the record in the dump", () => {
    const at = home();
    const { boots } = stopcodeJson<RunReport>(["host", "run", fixture("scenarios/locked-pages.yaml")], at);
    const { facts } = stopcodeJson<CrashDocument>(["history", "show", boots[1]!.crashId!], at);
    expect(facts?.checks?.lockedPages).toMatchObject({
      process: { name: "recorder.exe" },
      lockedBy: { module: "framegrb.sys", function: "LockBuffer" },
    });
    expect(facts?.checks?.lockedPages?.mdl).toBe(facts?.crash?.stopCode?.parameters[2]?.value);
  });

  it("a driver that unlocks twice is named at the second unlock", () => {
    const report = run(changed("locked-pages", "mistake: left-locked", "mistake: unlocked-twice"));
    expect(report.boots[0]!.findings[0]).toMatchObject({ rule: "pages-unlocked-too-often", verdict: "suspect" });
    expect(report.boots.at(-1)!.findings[0]).toMatchObject({ rule: "driver-unlocks-twice" });
    expect(report.verdict).toMatchObject({ culprit: "framegrb.sys", confidence: "identified" });
  });

  it.each([
    ["wrong-count", "mapping-freed-wrongly", "probable"],
    ["wrong-address", "driver-frees-mapping-wrongly", "identified"],
  ])("a driver that frees mappings with a %s is named, as surely as the check can be", (mistake, rule, verdict) => {
    const { boots } = run(changed("pte-misuse", "mistake: freed-twice", `mistake: ${mistake}`), "--boots", "2");
    expect(boots.map(({ crash }) => crash?.stopCode)).toEqual(["0xdb", "0xda"]);
    expect(boots[1]!.findings).toMatchObject([{ rule, verdict, culprit: { name: "captdrv.sys" } }]);
  });

  it("6.6/21: PTEs that run out again while no driver holds many: the setting is named, and no driver", () => {
    const path = fixture("scenarios/system-ptes-too-few.yaml");
    for (const report of [run(path), run(path, "--seed", "2"), run(path, "--seed", "3")]) {
      expect(report.boots.map(({ crash }) => crash?.stopCode)).toEqual(["0x3f", "0x3f"]);
      expect(report.boots[1]!.findings).toMatchObject([
        {
          rule: "system-ptes-too-few",
          verdict: "probable",
          culprit: { kind: "configuration", name: "number of system PTEs" },
        },
      ]);
      expect(report.boots[1]!.findings[0]!.advice).toContain("SystemPages");
      expect(report.verdict).toEqual({
        culprit: "number of system PTEs",
        kind: "configuration",
        confidence: "probable",
        bystander: null,
      });
    }
  });
});
