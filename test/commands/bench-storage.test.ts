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
    const { runs, disk, devices } = stopcodeJson<StorageBench>([...SHORT, "--streams", "8"], home);
    expect(disk).toBe("calibration disk");
    expect(devices.map(({ device }) => device)).toEqual(["calibration disk", "Samsung 970 PRO"]);
    expect(runs.map(({ policy }) => policy)).toEqual(
      expect.arrayContaining(["continuous media", "mq-deadline", "SPTF", "rounds"]),
    );
    for (const run of runs) expect(run.reads.requests + run.writes.requests, run.policy).toBeGreaterThan(0);
    const [ours] = runs as [StorageBench["runs"][number]];
    expect(ours.streams).toMatchObject({ missed: 0, maximumTardiness: 0 });
    expect(Math.max(...runs.map(({ streams }) => streams.missed))).toBeGreaterThan(0);
  });

  it("says what is possible beside each number of streams", () => {
    const streams = ["--streams", "0", "--streams", "8"];
    const { runs, bounds } = stopcodeJson<StorageBench>([...SHORT, ...streams, "--only", "SPTF"], home);
    const [alone, beside] = runs.map(({ iops }) => iops) as [number, number];
    expect(bounds).toEqual([
      {
        load: "made",
        streamCount: 0,
        leastMisses: { periods: 0, missed: 0 },
        ceilings: { withoutDeadlines: alone, withoutMisses: expect.closeTo(alone, 9) },
      },
      {
        load: "made",
        streamCount: 8,
        leastMisses: { periods: 8 * 9, missed: 0 },
        // Of 500 ms, nine seeks of 6.67 ms and eight stops of 3.52 ms leave 0.824.
        ceilings: { withoutDeadlines: beside, withoutMisses: expect.closeTo(0.824 * alone, 0) },
      },
    ]);
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
    expect(svg).toContain("at depth 32");
    expect(svg.match(/<polyline/g)).toHaveLength(2);
    expect(svg.match(/<circle/g)).toHaveLength(4);
  });

  it("has no ceilings where requests arrive in their own time", () => {
    const args = [...SHORT, "--streams", "300", "--only", "EDF", "--utilisation", "50"];
    const [{ ceilings, leastMisses }, [run]] = (({ bounds, runs }: StorageBench) => [bounds[0]!, runs] as const)(
      stopcodeJson<StorageBench>(args, home),
    );
    expect(ceilings).toBeNull();
    // 300 times 9 periods of 2.018 ms end in 5000 ms: 449 ms too much, and 223 periods with it.
    expect(leastMisses.periods).toBe(2700);
    expect(leastMisses.missed).toBeGreaterThanOrEqual(223);
    expect(leastMisses.missed).toBeLessThan(240);
    expect(run!.streams.missed).toBeGreaterThanOrEqual(leastMisses.missed);
  });

  it("has streams of several periods by turns, all of the same rate, and of a variable one", () => {
    const run = (...args: string[]) =>
      stopcodeJson<StorageBench>(
        ["bench", "storage", "--seconds", "20", "--streams", "4", "--only", "continuous media", ...args],
        home,
      ).runs[0]!;
    const mixed = ["--period", "100", "--period", "500"];
    const periods = ({ streams }: StorageBench["runs"][number]) => streams.periods;
    expect(Math.abs(periods(run(...mixed)) - 2 * (200 + 40))).toBeLessThanOrEqual(6);
    expect(Math.abs(periods(run()) - 4 * 40)).toBeLessThanOrEqual(6);
    for (const args of [[], mixed, [...mixed, "--variable-rate"]]) {
      const rate = run(...args).streams.megabytesPerSecond / (4 * 0.262);
      expect(rate, args.join(" ")).toBeGreaterThan(0.95);
      expect(rate, args.join(" ")).toBeLessThan(1.05);
    }
    expect(run(...mixed, "--variable-rate").arm).not.toEqual(run(...mixed).arm);
  });

  it("says of each policy how sure its misses are, whom they hit, who waited behind whom, and how many", () => {
    const args = ["--streams", "24", "--only", "FCFS", "--only", "EDF", "--runs", "3"];
    const { runs, seeds } = stopcodeJson<StorageBench>([...SHORT, ...args], home);
    expect(seeds).toEqual([1, 2, 3]);
    const [arrival, deadline] = runs as [StorageBench["runs"][number], StorageBench["runs"][number]];
    for (const { streams, kinds, queueDepth, seconds } of runs) {
      const { ratio, low, high } = streams.missRatio!;
      expect(seconds).toBeGreaterThan(14.9);
      expect(ratio).toBeCloseTo(streams.missed / streams.periods, 9);
      expect(low).toBeLessThanOrEqual(ratio);
      expect(high).toBeGreaterThan(ratio);
      expect(kinds.map(({ kind }) => kind)).toEqual(["periodic", "normal"]);
      // The load keeps 32 requests open.
      expect(queueDepth).toBeGreaterThan(32);
    }
    expect(arrival.streams.missRatio!.low).toBeGreaterThan(deadline.streams.missRatio!.high);
    expect(arrival.streams.fairness).toBeLessThan(1);
    expect(arrival.kinds[0]!.inversion).toBeGreaterThan(10 * deadline.kinds[0]!.inversion);
    expect(arrival.kinds[1]!.inversion).toBe(0);
  });

  it("says what the arm does: by position, a request takes less of its moves and turns", () => {
    const { runs } = stopcodeJson<StorageBench>([...SHORT, "--streams", "0", "--only", "FCFS", "--only", "SPTF"], home);
    const [inOrder, byPosition] = runs as [StorageBench["runs"][number], StorageBench["runs"][number]];
    for (const { arm } of [inOrder, byPosition])
      expect(arm.seek + arm.rotation + arm.transfer).toBeLessThanOrEqual(1.01);
    expect(inOrder.arm.seek / inOrder.iops).toBeGreaterThan(byPosition.arm.seek / byPosition.iops);
    expect(inOrder.arm.rotation / inOrder.iops).toBeGreaterThan(byPosition.arm.rotation / byPosition.iops);
    expect(byPosition.arm.transfer).toBeGreaterThan(inOrder.arm.transfer);
  });

  it("lets requests arrive in their own time, at the rate that was asked for", () => {
    const runs = (...args: string[]) =>
      stopcodeJson<StorageBench>(
        ["bench", "storage", "--seconds", "60", "--streams", "0", "--only", "FCFS", ...args],
        home,
      ).runs[0]!;
    const alone = runs("--depth", "1").iops;
    const [calm, busy] = [runs("--utilisation", "30"), runs("--utilisation", "90")];
    expect(calm.iops / alone).toBeCloseTo(0.3, 1);
    expect(busy.iops / alone).toBeCloseTo(0.9, 1);
    // Kleinrock 1975: the wait of a queue grows as 1 / (1 - utilisation).
    expect(busy.reads.mean).toBeGreaterThan(2 * calm.reads.mean);
  });

  it("keeps a trace's bursts when it scales its times, and refuses one without", () => {
    const trace = folder.in("times.trace");
    const run = (times: (at: number) => number) => {
      const lines = Array.from({ length: 400 }, (_, at) => `${times(at)} 0 ${(at * 7_919_000) % 60_000_000} 16 1`);
      writeFileSync(trace, lines.join("\n"));
      return stopcode(
        [...SHORT, "--trace", trace, "--utilisation", "50", "--streams", "0", "--only", "FCFS", "--json"],
        home,
      );
    };
    const mean = ({ stdout }: { stdout: string }) => (JSON.parse(stdout) as StorageBench).runs[0]!.reads.mean;
    expect(mean(run((at) => Math.floor(at / 20) * 1000))).toBeGreaterThan(3 * mean(run((at) => at * 50)));
    const refused = run(() => 5);
    expect(refused.status).toBe(3);
    expect(refused.stderr + refused.stdout).toContain("all requests of times.trace arrive at once");
  });

  it.each([
    [["--depth", "8", "--utilisation", "60"], 2, "--depth"],
    [["--only", "nonsense"], 2, "continuous media, FCFS"],
    [["--trace", "/nowhere.trace"], 4, "check the name"],
    [["--disk", "/nowhere.parv"], 3, "name a DiskSim"],
    [["--depth", "0"], 2, ""],
    [["--runs", "21"], 2, "--runs"],
  ] as const)("refuses %j with exit code %i", (args, status, hint) => {
    const refused = stopcode([...SHORT, ...args], home);
    expect(refused.status).toBe(status);
    expect(refused.stderr).toContain(hint);
  });
});
