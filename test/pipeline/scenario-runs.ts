import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, expect } from "vitest";
import type { Facts } from "../../src/analysis/index.ts";
import type { RunReport } from "../../src/pipeline/index.ts";
import { fixture, stopcodeJson, temporaryFolder } from "../stopcode.ts";

/** Runs of scenarios by the command line, each with a home of its own in a folder that goes when the test file's tests are over. */
export function scenarioRuns() {
  const folder = temporaryFolder();
  afterAll(() => folder.remove());
  let homes = 0;
  const home = () => folder.in(`home${homes++}`);

  /** Runs the scenario of a file. `factsOf`: what the analysis finds in the crash of a boot, the first one being 0. */
  function runFile(path: string, ...args: string[]) {
    const own = home();
    const report = stopcodeJson<RunReport>(["host", "run", path, ...args], own);
    const factsOf = (boot: number) =>
      stopcodeJson<{ facts: Facts }>(["diagnose", report.boots[boot]!.crashId!], own).facts;
    return { report, factsOf };
  }

  return {
    folder,
    home,
    runFile,
    /** Runs a shipped scenario. */
    run: (name: string, ...args: string[]) => runFile(fixture(`scenarios/${name}.yaml`), ...args),
    /** The file of a shipped scenario with something changed, and without the stops that it expects. */
    changed(name: string, from: string, to: string): string {
      const text = readFileSync(fixture(`scenarios/${name}.yaml`), "utf8");
      expect(text).toContain(from);
      const path = folder.in(`changed${homes++}.yaml`);
      writeFileSync(path, text.replace(from, to).replace(/expect:\n( {2}- .*\n)*/, ""));
      return path;
    },
  };
}

/** The stop codes of a run, each with the rule that explains it best. */
export const stopsOf = ({ boots }: RunReport) =>
  boots.map(({ crash, findings }) => [crash?.stopCode, findings[0]?.rule]);
