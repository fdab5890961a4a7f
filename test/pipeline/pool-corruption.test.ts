import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fixture, stopcode, stopcodeJson } from "../stopcode.ts";
import { scenarioRuns, stopsOf } from "./scenario-runs.ts";

const { folder, runFile, changed } = scenarioRuns();
const run = (path: string, ...args: string[]) => runFile(path, ...args).report;

describe("a driver that writes where it must not, and another that meets it", () => {
  it.each([
    [
      "pool-overrun",
      ["0x19", "pool-header-damaged"],
      ["0xd6", "driver-past-its-block"],
      "scanrecv.sys",
      ["spooler.sys", "netpump.sys"],
    ],
    [
      "use-after-free",
      ["0xc5", "pool-link-damaged"],
      ["0xd5", "driver-in-freed-block"],
      "lanmodem.sys",
      ["spooler.sys"],
    ],
  ] as const)(
    "6.6/26: %s, with any seed: the report names who did it, and who only met it",
    (name, first, second, culprit, bystanders) => {
      const report = run(fixture(`scenarios/${name}.yaml`));
      expect(report.unexpected).toEqual([]);
      for (const seeded of [
        report,
        ...["2", "3"].map((seed) => run(fixture(`scenarios/${name}.yaml`), "--seed", seed)),
      ]) {
        expect(stopsOf(seeded)).toEqual([first, second]);
        const [before, after] = seeded.boots;
        expect(before!.findings[0]).toMatchObject({ verdict: "suspect" });
        const bystander = before!.findings[0]!.bystander!.name;
        expect(bystanders).toContain(bystander);
        expect(before!.findings.some((finding) => finding.culprit.kind === "driver")).toBe(false);
        expect(after!.armed).toEqual([{ check: "special-pool", target: null }]);
        expect(seeded.verdict).toEqual({ culprit, kind: "driver", confidence: "identified", bystander });
      }
    },
  );

  it("6.6/18: is caught sooner with the check than without, counted from when the driver began at 12 s", () => {
    const { boots } = run(fixture("scenarios/pool-overrun.yaml"));
    const [without, armed] = boots.map(({ crash }) => crash!.atSeconds - 12);
    expect(armed).toBeLessThan(without!);
  });

  it("6.6/11: a write before a block is found at its free, and named", () => {
    const path = changed("pool-overrun", "behaviour: pool-overrun", "behaviour: pool-underrun");
    const report = run(path);
    expect(report.boots.at(-1)!.crash).toMatchObject({ stopCode: "0xc1" });
    expect(report.boots.at(-1)!.crash!.parameters[3]).toBe("0x23");
    expect(report.verdict).toMatchObject({ culprit: "scanrecv.sys", confidence: "identified" });
  });

  it("6.6/4: the kernel arms special pool by itself, from the procedures of the packs", () => {
    const [, second] = run(fixture("scenarios/pool-overrun.yaml")).boots;
    expect(second!.armed).toEqual([{ check: "special-pool", target: null }]);
  });

  it("6.6/13: special pool that is used up is warned of, in the run's report and on the crash's screen", () => {
    const greedy = changed("pool-overrun", "outstanding: 60", "outstanding: 1000");
    const text = readFileSync(greedy, "utf8")
      .replace("rate: 120 per second", "rate: 900 per second")
      .replace("memory: 64 MiB", "memory: 24 MiB");
    writeFileSync(greedy, text);
    const home = folder.in("greedy");
    const { stdout } = stopcode(["host", "run", greedy], home);
    const warning = /coverage +special pool held \d+(\.\d)? % of [\d,]+ blocks: below 95 %/;
    expect(stdout).toMatch(warning);
    const rows = stopcodeJson<{ id: string; stopCode: string }[]>(["history", "list"], home);
    expect(stopcode(["history", "show", rows[0]!.id], home).stdout).toMatch(warning);
    expect(stopcode(["history", "show", rows.at(-1)!.id], home).stdout).not.toMatch(warning);
  });
});
