import { describe, expect, it } from "vitest";
import { Random } from "../../../src/binary/index.ts";
import {
  type Calibration,
  calibrate,
  calibrationDisk,
  type DiskParameters,
  HardDisk,
  inventedDemands,
  leastMisses,
  POLICIES,
  type StreamParameters,
  SweepBound,
  seekTime,
  type TimedWork,
  unavoidableMisses,
  zeroMissCeiling,
} from "../../../src/storage/index.ts";
import { fewestMisses, shortestWay } from "./plain-bounds.ts";

/** 10 ms to begin with, and one more for each cylinder. */
const RAMP = { kind: "two-part", division: 0, root: [0, 0], line: [10, 1], first: [] } as const;
const ramp = () => new HardDisk(calibrationDisk(RAMP));

describe("the least that an arm moves", () => {
  const least = (window: number, visits: readonly (readonly [cylinder: number, at: number])[]) => {
    const bound = new SweepBound(ramp(), window);
    for (const [cylinder, at] of visits) bound.visit(cylinder, at);
    return bound.least;
  };

  it("is that of the sorted path from where it is", () => {
    // 0, 20, 30, 70: three ways over 70 cylinders in all.
    const visits = [
      [30, 1],
      [70, 2],
      [20, 3],
      [70, 4],
    ] as const;
    expect(least(100, visits)).toBe(3 * 10 + 70);
  });

  it("is that of each window by itself, from where the last one ended", () => {
    const visits = [
      [30, 1],
      [70, 2],
      [20, 10],
      [80, 35],
      [75, 39.9],
    ] as const;
    // 0 to 30 to 70; 70 to 20; none; 20 to 75 to 80.
    expect(least(10, visits)).toBe(20 + 70 + (10 + 50) + (20 + 60));
    expect(least(40, visits)).toBe(5 * 10 + 80);
  });

  it("takes a way for no longer than a longer one", () => {
    const falling = { kind: "measured", points: { distances: [1, 10, 20, 5171], times: [5, 9, 3, 20] } } as const;
    const bound = new SweepBound(new HardDisk(calibrationDisk(falling)), 100);
    bound.visit(10, 1);
    expect(bound.least).toBe(3);
  });

  const curves = { "an ST32171W's": calibrationDisk().seek, "a ramp": RAMP } as const;
  it.each(Object.entries(curves))("is never above the shortest way of all, and mostly is it, with %s", (_, curve) => {
    const disk = new HardDisk(calibrationDisk(curve));
    const random = new Random(1, "ways");
    let reached = 0;
    for (let round = 0; round < 40; round++) {
      const cylinders = Array.from({ length: 1 + random.below(6) }, () => random.below(disk.cylinders));
      const bound = new SweepBound(disk, 100);
      for (const cylinder of cylinders) bound.visit(cylinder, 1);
      const shortest = shortestWay(0, cylinders, (distance) => (distance === 0 ? 0 : seekTime(curve, distance)));
      expect(bound.least).toBeLessThanOrEqual(shortest + 1e-9);
      if (bound.least > shortest - 1e-9) reached++;
    }
    // The arm begins at an end. The first of the two curves falls where its parts meet.
    expect(reached).toBeGreaterThanOrEqual(curve === RAMP ? 40 : 35);
  });

  it("is less than any order where the arm begins amid what it has to go to", () => {
    // 5 to 0, 3, 7 and 12. Neither the nearer end first and a sweep is the shortest way, nor is the sorted path one.
    const curve = calibrationDisk().seek;
    const seek = (distance: number) => (distance === 0 ? 0 : seekTime(curve, distance));
    const bound = new SweepBound(new HardDisk(calibrationDisk(curve)), 100);
    bound.visit(5, 1);
    for (const cylinder of [0, 3, 7, 12]) bound.visit(cylinder, 100);
    const sweep = seek(5) + seek(3) + seek(4) + seek(5);
    const shortest = shortestWay(5, [0, 3, 7, 12], seek);
    expect(shortest).toBeCloseTo(seek(2) + seek(3) + seek(7) + seek(5), 9);
    expect(shortest).toBeLessThan(sweep);
    expect(bound.least - seek(5)).toBeCloseTo(seek(3) + 2 * seek(2) + seek(5), 9);
    expect(bound.least - seek(5)).toBeLessThan(shortest);
  });
});

describe("unavoidable misses", () => {
  const work = (arrival: number, deadline: number, length: number): TimedWork => ({ arrival, deadline, work: length });

  it.each<[string, TimedWork[], number]>([
    ["none where there is time for all", [work(0, 10, 4), work(0, 5, 5), work(2, 12, 3)], 0],
    ["none where one has to be interrupted", [work(0, 10, 6), work(2, 5, 3)], 0],
    ["one where a work takes more than its time", [work(0, 4, 5)], 1],
    ["one, the longest, where there is too much", [work(0, 10, 6), work(0, 10, 3), work(0, 10, 2)], 1],
    ["as many as make it up", [work(0, 10, 5), work(0, 10, 5), work(0, 10, 5), work(0, 10, 4)], 2],
    ["no more for a disk that rests before", [work(0, 1, 1), work(50, 52, 3), work(60, 70, 10)], 1],
  ])("are %s", (_, works, misses) => {
    expect(unavoidableMisses(works)).toBe(misses);
    expect(fewestMisses(works)).toBe(misses);
  });

  it("are never above the fewest of all schedules, and none just where there are none", () => {
    const random = new Random(2, "works");
    let [bound, fewest, feasible] = [0, 0, 0];
    for (let round = 0; round < 300; round++) {
      let arrival = 0;
      const works = Array.from({ length: 2 + random.below(7) }, () => {
        arrival += random.below(6);
        return work(arrival, arrival + 2 + random.below(12), 1 + random.below(6));
      });
      const [least, all] = [unavoidableMisses(works), fewestMisses(works)];
      expect(least).toBeLessThanOrEqual(all);
      expect(least === 0).toBe(all === 0);
      bound += least;
      fewest += all;
      if (all === 0) feasible++;
    }
    expect(feasible).toBeGreaterThan(20);
    expect(bound).toBeGreaterThan(0.7 * fewest);
  });
});

describe("the ceiling without a miss", () => {
  it("leaves the time of one sweep a period", () => {
    // Two streams that ask for a track every second. Seeks of 10 ms and 1 for each of a third of 5171 cylinders.
    const disk = new HardDisk(calibrationDisk({ kind: "constant", time: 10 }));
    const streams = Array<StreamParameters>(2).fill({ period: 1000, sectors: 1057 });
    const stop = 0.3 + 0.144 * disk.rotation + disk.rotation;
    expect(zeroMissCeiling(streams, disk, 4)).toBeCloseTo((1000 - 3 * 10 - 2 * stop) / 4, 9);
    // Twice a second for half as much: two sweeps.
    const halves = Array<StreamParameters>(2).fill({ period: 500, sectors: 528.5 });
    const halfStop = 0.3 + 0.144 * disk.rotation + disk.rotation / 2;
    expect(zeroMissCeiling(halves, disk, 4)).toBeCloseTo((1000 - 2 * (3 * 10 + 2 * halfStop)) / 4, 9);
  });

  /** Of the measured curve of an ST32171W (DiskSim, valid/barracuda.seek), what lies beside the distances that are asked for. */
  const points = {
    distances: [1, 150, 175, 200, 225, 250, 375, 400, 5171],
    times: [1.943, 4.729, 4.929, 5.307, 5.342, 5.485, 5.717, 5.711, 16.68],
  };

  // storage.md S3, by 2.63 ms a request.
  it.each([
    [12, 292],
    [20, 239],
    [28, 195],
    [32, 175],
  ])("is the specification's for %i streams: %i requests a second", (count, requests) => {
    const disk = new HardDisk(calibrationDisk({ kind: "measured", points }));
    const streams = Array<StreamParameters>(count).fill({ period: 500, sectors: 256 });
    expect(Math.abs(zeroMissCeiling(streams, disk, 2.63) - requests)).toBeLessThan(1);
  });

  it("is all there is without streams, and nothing where there are too many", () => {
    expect(zeroMissCeiling([], ramp(), 4)).toBe(250);
    expect(zeroMissCeiling(Array(200).fill({ period: 500, sectors: 256 }), ramp(), 4)).toBe(0);
  });
});

/** The calibration disk with a buffer that reads ahead, over a bus twice as fast as the platters. */
function buffered(): DiskParameters {
  const disk = calibrationDisk();
  const transfer = disk.rotation / 1057 / 2;
  return {
    ...disk,
    name: "disk with a buffer",
    transfer: { read: transfer, write: transfer },
    controller: {
      ...disk.controller,
      "Number of buffer segments": 8,
      "Segment size (in blks)": 512,
      "Enable caching in buffer": 1,
      "Buffer continuous read": 3,
      "Maximum read-ahead (blks)": 512,
    },
  };
}

describe.each([calibrationDisk(), buffered()])("on a $name", (disk) => {
  const sectors = new HardDisk(disk).sectors;
  const loads = {
    light: [{ period: 500, sectors: 256 }],
    "of several periods": [100, 250, 500].map((period) => ({ period, sectors: period / 2, isVariable: true })),
    "too much": Array<StreamParameters>(40).fill({ period: 100, sectors: 800, isVariable: true }),
  } as const satisfies Record<string, StreamParameters[]>;

  it.each(Object.entries(loads))("no policy is better than a lower bound: streams %s", (name, streams) => {
    for (const [seed, policy] of [1, 2].flatMap((one) => POLICIES.map((other) => [one, other] as const))) {
      const calibration: Calibration = {
        disk,
        policy,
        streams,
        demands: inventedDemands(sectors, 300, seed),
        pace: { depth: 8 },
        seed,
        milliseconds: name === "too much" ? 800 : 4_000,
      };
      const { seek, streams: served } = calibrate(calibration);
      expect(seek.leastInPeriod, policy.name).toBeLessThanOrEqual(seek.perRequest + 1e-9);
      expect(seek.leastInTenPeriods, policy.name).toBeLessThanOrEqual(seek.leastInPeriod + 1e-9);
      expect(seek.leastInTenPeriods, policy.name).toBeGreaterThan(0);
      const { missed } = leastMisses(calibration);
      expect(served.missed, policy.name).toBeGreaterThanOrEqual(missed);
      expect(missed > 0).toBe(name === "too much");
    }
  });
});

describe("the least misses of a calibration", () => {
  const calibration = (seed: number, runs: number) => ({
    disk: calibrationDisk(),
    streams: Array<StreamParameters>(60).fill({ period: 100, sectors: 256, isVariable: true }),
    demands: inventedDemands(calibrationDisk().sectors, 300, 1),
    pace: { depth: 8 },
    seed,
    runs,
    milliseconds: 3_000,
  });

  it("are of the same streams as a policy's, and of all runs together", () => {
    const [first, second, both] = [
      leastMisses(calibration(3, 1)),
      leastMisses(calibration(4, 1)),
      leastMisses(calibration(3, 2)),
    ];
    expect(both).toEqual({ periods: first.periods + second.periods, missed: first.missed + second.missed });
    // 60 requests of 2.018 ms want 121 of 100 ms: a sixth of the work is not done, and it is that of the longest, which are fewer.
    expect(first.missed / first.periods).toBeGreaterThan(0.08);
    expect(first.missed / first.periods).toBeLessThan(0.174);
    // What a policy misses has ended, and what has ended it has served or missed.
    const { streams } = calibrate({ ...calibration(3, 1), policy: POLICIES.find(({ name }) => name === "FCFS")! });
    expect(streams.periods).toBeGreaterThanOrEqual(first.periods);
    expect(streams.missed).toBeLessThanOrEqual(first.periods);
  });

  it("are fewer where a buffer may have read ahead, and only the bus takes its time", () => {
    expect(leastMisses({ ...calibration(3, 1), disk: buffered() }).missed).toBe(0);
  });
});
