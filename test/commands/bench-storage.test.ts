import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import type { StorageBench } from "../../src/bench/index.ts";
import { stopcode, stopcodeJson, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());
const home = folder.in("home");
const SHORT = ["bench", "storage", "--seconds", "5"];

describe("bench storage", () => {
  it("runs all policies on the same load, and says of each what it missed and what it did", () => {
    const { runs, disk } = stopcodeJson<StorageBench>([...SHORT, "--streams", "8"], home);
    expect(disk).toBe("calibration disk");
    expect(runs.map(({ policy }) => policy)).toEqual(
      expect.arrayContaining(["continuous media", "mq-deadline", "SPTF", "rounds"]),
    );
    for (const run of runs) expect(run.reads.requests + run.writes.requests, run.policy).toBeGreaterThan(0);
    const [ours] = runs as [StorageBench["runs"][number]];
    expect(ours.streams).toMatchObject({ missed: 0, latest: 0 });
    expect(Math.max(...runs.map(({ streams }) => streams.missed))).toBeGreaterThan(0);
  });

  it("gives the same simulated figures for the same seed, and others for another", () => {
    const figures = (seed: string) => {
      const { runs } = stopcodeJson<StorageBench>([...SHORT, "--streams", "4", "--only", "SPTF", "--seed", seed], home);
      return runs.map(({ microsecondsPerRequest: _, dispatchMicroseconds: __, ...simulated }) => simulated);
    };
    expect(figures("7")).toEqual(figures("7"));
    expect(figures("7")).not.toEqual(figures("8"));
  });

  it("takes its load from a trace, and plots latency against streams", () => {
    const trace = folder.in("load.trace");
    writeFileSync(trace, Array.from({ length: 50 }, (_, at) => `${at}.5 0 ${at * 1_000_000} 16 ${at % 2}`).join("\n"));
    const plot = folder.in("latency.svg");
    const { stdout, status } = stopcode(
      [
        ...SHORT,
        "--trace",
        trace,
        "--streams",
        "2",
        "--streams",
        "6",
        "--only",
        "C-LOOK",
        "--only",
        "EDF",
        "--svg",
        plot,
      ],
      home,
    );
    expect(status).toBe(0);
    expect(stdout).toContain("beside load.trace at depth 32");
    const svg = readFileSync(plot, "utf8");
    expect(svg.match(/<polyline/g)).toHaveLength(2);
    expect(svg.match(/<circle/g)).toHaveLength(4);
  });

  it.each([
    [["--only", "nonsense"], 2, "continuous media, FCFS"],
    [["--trace", "/nowhere.trace"], 4, "check the name"],
    [["--disk", "/nowhere.parv"], 3, "name a DiskSim"],
    [["--depth", "0"], 2, ""],
  ] as const)("refuses %j with exit code %i", (args, status, hint) => {
    const refused = stopcode([...SHORT, ...args], home);
    expect(refused.status).toBe(status);
    expect(refused.stderr).toContain(hint);
  });
});
