import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import type { PolicyFigure, StorageBench, StorageBounds } from "../../src/bench/index.ts";
import type { KindFigures } from "../../src/storage/index.ts";
import { storageBenchScreen } from "../../src/terminal/index.ts";

const LATENCY = { requests: 1000, mean: 99_999, p50: 9_999, p99: 99_999, p999: 99_999, most: 99_999 };
const kind = (name: KindFigures["kind"], inversion: number): KindFigures => ({ kind: name, ...LATENCY, inversion });

/** As wide as figures become in a minute of a disk with far more to do than it can. */
const overloaded: PolicyFigure = {
  policy: "rounds by position",
  load: "cloudPhysicsIO.vscsi",
  streamCount: 45,
  iops: 1234.5,
  megabytesPerSecond: 123.4,
  reads: LATENCY,
  writes: LATENCY,
  kinds: [kind("periodic", 12_345), kind("critical", 2_345), kind("normal", 0)],
  streams: {
    periods: 3,
    missed: 3,
    missRatio: { ratio: 1, low: 0.9985, high: 1 },
    maximumTardiness: 54_321,
    fairness: null,
    megabytesPerSecond: 11.8,
  },
  queueDepth: 5288.8,
  arm: { seek: 0.63, rotation: 0.29, transfer: 0.05 },
  seek: { perRequest: 12.34, leastInPeriod: 10.26, leastInTenPeriods: 1.5 },
  seconds: 60,
  microsecondsPerRequest: 224.1,
  dispatchMicroseconds: 71.04,
};
const calm: PolicyFigure = {
  ...overloaded,
  policy: "EDF",
  kinds: [kind("periodic", 3), kind("normal", 0)],
  streams: { ...overloaded.streams, missed: 0, missRatio: { ratio: 0, low: 0, high: 0.0032 }, fairness: 0.5 },
};

const bounds: StorageBounds = {
  load: overloaded.load,
  streamCount: overloaded.streamCount,
  leastMisses: { periods: 200, missed: 25 },
  ceilings: { withoutDeadlines: 2469, withoutMisses: 1000 },
};

const linesOf = (bench: Partial<StorageBench>) =>
  storageBenchScreen({
    disk: "calibration disk",
    depth: 128,
    utilisation: null,
    periods: [100, 250, 500],
    isVariable: true,
    seeds: [7],
    runs: [overloaded, calm],
    bounds: [bounds],
    devices: [],
    ...bench,
  })
    .split("\n")
    .map(stripVTControlCharacters);

describe("the screen of bench storage", () => {
  it("has no line wider than 140 columns", () => {
    for (const line of linesOf({})) expect(line.length, line).toBeLessThanOrEqual(140);
  });

  it("has misses with their interval, and how late the latest was where there are any", () => {
    const lines = linesOf({});
    expect(lines.find((line) => line.includes("rounds by position"))).toMatch(
      / 100\.0 % +99\.85 to 100\.00 % +54,321 ms /,
    );
    expect(lines.find((line) => line.includes("EDF"))).toMatch(/ 0\.0 % +0\.00 to 0\.32 % +1234\.5 /);
  });

  it("has inversions of all kinds that came but the lowest, fairness where there is one, and the queue", () => {
    const lines = linesOf({});
    const head = lines.findIndex((line) => line.includes("inversion"));
    expect(lines[head]).toMatch(/inversion: periodic +critical +fairness +queue/);
    expect(lines[head + 1]).toMatch(/^ +rounds by position +12,345 ms +2,345 ms +5288\.8 /);
    expect(lines[head + 2]).toMatch(/^ +EDF +3 ms +0 ms +0\.500 +5288\.8 /);
  });

  it("has what is possible in a row before the policies', called what it is", () => {
    const lines = linesOf({});
    const best = lines.findIndex((line) => line.includes("at best"));
    expect(lines[best]).toMatch(
      /^ +at best +lower bound 12\.5 % +lower bound +lower bound +estimate 2469\.0 +estimate 1000\.0$/,
    );
    expect(lines[best + 1]).toMatch(/^ +rounds by position +100\.0 % +12\.34 ms +10\.26 ms +1\.50 ms +50 % +123 %$/);
  });

  it("leaves ceilings out of which there are none, and says no share of nothing", () => {
    const row = (changes: Partial<StorageBounds>) => {
      const lines = linesOf({ bounds: [{ ...bounds, ...changes }] });
      return lines[lines.findIndex((line) => line.includes("at best")) + 1];
    };
    expect(row({ ceilings: null })).toMatch(/ 1\.50 ms$/);
    expect(row({ ceilings: { withoutDeadlines: 2469, withoutMisses: 0 } })).toMatch(/ 50 %$/);
  });

  it("names the seeds", () => {
    expect(linesOf({})[1]).toContain("seed 7");
    expect(linesOf({ seeds: [1, 2, 3] })[1]).toContain("seeds 1 to 3");
  });
});
