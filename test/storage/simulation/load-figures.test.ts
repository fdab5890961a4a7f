import { describe, expect, it } from "vitest";
import {
  type BlockRequest,
  type Calibration,
  calibrate,
  calibrationDisk,
  fairness,
  HardDisk,
  inventedDemands,
  Meter,
  missRatio,
  POLICIES,
  QueueMeter,
  type RunFigures,
} from "../../../src/storage/index.ts";
import { request } from "../request.ts";

/** The figures of a run that is told step by step: who comes when, and from when to when each is served. */
class Told {
  readonly #queue: QueueMeter;
  readonly #meter = new Meter();

  constructor(policy: string) {
    this.#queue = new QueueMeter(POLICIES.find(({ name }) => name === policy)!.create(new HardDisk(calibrationDisk())));
  }

  comes(one: BlockRequest): BlockRequest {
    this.#queue.add(one, one.arrival);
    return one;
  }

  /** The policy's next is served; says which it was. */
  begins(at: number): BlockRequest {
    return this.#queue.take(at)!;
  }

  ends(served: BlockRequest, at: number): void {
    this.#queue.completed({ request: served, at, status: "done", transferred: served.sectors });
    for (const part of served.parts ?? [served])
      this.#meter.observe({ request: part, at, status: "done", transferred: part.sectors });
  }

  figures(end: number): RunFigures {
    const arm = { seek: 4, rotation: 8, transfer: 2 };
    this.#meter.endRun(end, 1, this.#queue, arm, { inPeriod: 3, inTenPeriods: 1.5 });
    return this.#meter.figures();
  }
}

const kindOf = ({ kinds }: RunFigures, kind: string) => kinds.find((one) => one.kind === kind)!;

describe("figures of a run", () => {
  /** In order of arrival. What is said of each request in the tests can be read off here: arrival, and from when to when it was served. */
  function run(): RunFigures {
    const told = new Told("FCFS");
    const stream = (owner: number, arrival: number, deadline: number) =>
      told.comes(request(0, { owner, arrival, deadline, class: "critical", sectors: 500 }));
    told.comes(request(0, { arrival: 0, write: true, sectors: 1000 }));
    const write = told.begins(0); // 0 to 10
    stream(0, 2, 20); // 10 to 15
    told.comes(request(0, { arrival: 4, class: "critical" })); // 15 to 18
    told.comes(request(0, { arrival: 4, class: "low" })); // 18 to 30
    told.ends(write, 10);
    told.ends(told.begins(10), 15);
    told.ends(told.begins(15), 18);
    const low = told.begins(18);
    stream(1, 20, 28); // 30 to 34
    told.comes(request(0, { arrival: 22 })); // 34 to 38
    told.ends(low, 30);
    told.ends(told.begins(30), 34);
    const last = told.begins(34);
    stream(1, 36, 39); // from 38 on
    told.ends(last, 38);
    told.begins(38);
    stream(0, 38, 60);
    return told.figures(40);
  }

  it("count a deadline as missed that passed before the run ended, and none that lies ahead", () => {
    // Of the first stream one in time; of the second one 6 ms late, and one of which at the end 1 ms is over.
    expect(run().streams).toMatchObject({ periods: 3, missed: 2, maximumTardiness: 6 });
    expect(run().streams.missRatio!.ratio).toBeCloseTo(2 / 3, 12);
  });

  it("say by how much the latest was late, served or not", () => {
    const told = new Told("FCFS");
    told.comes(request(0, { arrival: 0, deadline: 5 }));
    told.comes(request(0, { arrival: 0, deadline: 10 }));
    told.ends(told.begins(0), 7);
    expect(told.figures(50).streams).toMatchObject({ missed: 2, maximumTardiness: 40 });
  });

  it("have Jain's index over streams, of the share that each had in time", () => {
    // 1 of 1 and 0 of 2; then 2 of 2 and 1 of 1.
    expect(run().streams.fairness).toBe(0.5);
    const told = new Told("FCFS");
    for (const owner of [0, 0, 1]) {
      told.comes(request(0, { owner, deadline: 20 }));
      told.ends(told.begins(0), 10);
    }
    expect(told.figures(10).streams.fairness).toBe(1);
  });

  it("have a request wait behind a lower class for as long as it waits and that is served", () => {
    const figures = run();
    // The first stream behind the write, 8; the second behind the low one, 10, and behind the normal one, 2; the last behind none. Four.
    expect(kindOf(figures, "periodic").inversion).toBeCloseTo((8 + 10 + 2) / 4, 12);
    // Behind the write, 6; a stream is of its own class.
    expect(kindOf(figures, "critical").inversion).toBeCloseTo(6, 12);
    // The write behind none, the read behind the low one, 8.
    expect(kindOf(figures, "normal").inversion).toBeCloseTo(8 / 2, 12);
    expect(kindOf(figures, "low").inversion).toBe(0);
    expect(figures.kinds.map(({ kind }) => kind)).toEqual(["periodic", "critical", "normal", "low"]);
  });

  it("have the mean of what waits and is served, over time", () => {
    // In order of arrival, how long each was there: 10 + 13 + 14 + 26 + 14 + 16 + 4 + 2 = 99 of 40 ms.
    expect(run().queueDepth).toBeCloseTo(99 / 40, 12);
  });

  it("have latencies of each kind, and of reads and writes that are no stream's", () => {
    const figures = run();
    // 13 and 14 ms; 14; 10 and 16; 26.
    expect(kindOf(figures, "periodic")).toMatchObject({ requests: 2, mean: 13.5, most: 14 });
    expect(kindOf(figures, "critical")).toMatchObject({ requests: 1, mean: 14 });
    expect(kindOf(figures, "normal")).toMatchObject({ requests: 2, mean: 13, p99: 16 });
    expect(kindOf(figures, "low")).toMatchObject({ requests: 1, mean: 26 });
    expect(figures.reads).toMatchObject({ requests: 3, mean: (14 + 26 + 16) / 3, p50: 16, most: 26 });
    expect(figures.writes).toMatchObject({ requests: 1, mean: 10 });
  });

  it("have rates and what the arm did over the time of the run", () => {
    const figures = run();
    expect(figures.iops).toBeCloseTo(4 / 0.04, 9);
    expect(figures.megabytesPerSecond).toBeCloseTo(((1000 + 3 * 8) * 512) / 1e6 / 0.04, 9);
    expect(figures.streams.megabytesPerSecond).toBeCloseTo((1000 * 512) / 1e6 / 0.04, 9);
    expect(figures.arm).toEqual({ seek: 0.1, rotation: 0.2, transfer: 0.05 });
    // Six are complete: two of streams and four of others.
    expect(figures.seek).toEqual({ perRequest: 4 / 6, leastInPeriod: 0.5, leastInTenPeriods: 0.25 });
  });

  it("give what a policy makes one the class of its most urgent part", () => {
    const told = new Told("mq-deadline");
    told.comes(request(100, { class: "low" }));
    told.comes(request(108, { class: "critical" }));
    told.comes(request(116, { class: "low" }));
    const far = told.comes(request(10_000, { class: "critical" }));
    const both = told.begins(0);
    expect(both.parts).toHaveLength(3);
    told.ends(both, 10);
    expect(told.begins(10)).toBe(far);
    told.ends(far, 12);
    const figures = told.figures(20);
    expect(kindOf(figures, "critical")).toMatchObject({ requests: 2, inversion: 0 });
    expect(figures.queueDepth).toBeCloseTo((3 * 10 + 12) / 20, 12);
  });

  it("leave out what nothing can be said of: no streams, and kinds that did not come", () => {
    const told = new Told("FCFS");
    told.comes(request(0, { arrival: 0 }));
    const { streams, kinds } = told.figures(10);
    expect(streams).toMatchObject({ periods: 0, missRatio: null, fairness: null, maximumTardiness: 0 });
    expect(kinds).toMatchObject([{ kind: "normal", requests: 0, inversion: 0 }]);
  });
});

describe("the interval of a miss ratio", () => {
  // Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
    [20, 20, 1 - 0.1611, 1],
  ])("is Wilson's for one run: %i of %i, from %f to %f", (missed, periods, low, high) => {
    const found = missRatio([{ missed, periods }])!;
    expect(Math.abs(found.low - low)).toBeLessThan(5e-5);
    expect(Math.abs(found.high - high)).toBeLessThan(5e-5);
    expect(found.ratio).toBe(missed / periods);
  });

  const runs = (periods: number, ...misses: readonly number[]) => misses.map((missed) => ({ missed, periods }));

  it("is Student's over several runs that differ by more", () => {
    // 0.1, 0.2 and 0.3: mean 0.2, deviation 0.1, quantile for 2 degrees of freedom 4.303.
    const half = (4.303 * 0.1) / Math.sqrt(3);
    const found = missRatio(runs(10_000, 1000, 2000, 3000))!;
    expect(found.ratio).toBeCloseTo(0.2, 12);
    expect(found.high).toBeCloseTo(0.2 + half, 9);
    expect(found.low).toBe(0);
    // 0.4, 0.5, 0.5 and 0.6: deviation 0.0816, 3.182 for 3.
    const narrow = missRatio(runs(10_000, 4000, 5000, 5000, 6000))!;
    expect(narrow.low).toBeCloseTo(0.5 - (3.182 * Math.sqrt(0.02 / 3)) / 2, 9);
    expect(narrow.high).toBeCloseTo(0.5 + (3.182 * Math.sqrt(0.02 / 3)) / 2, 9);
  });

  it("is Wilson's of all together over runs that differ by less", () => {
    expect(missRatio(runs(10, 0, 0))).toEqual(missRatio(runs(20, 0)));
    expect(missRatio(runs(10, 5, 5))).toEqual(missRatio(runs(20, 10)));
  });

  it("leaves out runs without a period", () => {
    expect(missRatio([...runs(20, 3), ...runs(0, 0)])).toEqual(missRatio(runs(20, 3)));
    expect(missRatio(runs(0, 0, 0))).toBeNull();
  });
});

describe("figures of several runs", () => {
  const demands = inventedDemands(calibrationDisk().sectors, 500, 1);
  const runsFrom = (seed: number, runs: number, end: Partial<Calibration>) =>
    calibrate({
      disk: calibrationDisk(),
      policy: POLICIES.find(({ name }) => name === "SSTF")!,
      streams: Array(12).fill({ period: 500, sectors: 256 }),
      demands,
      pace: { depth: 8 },
      seed,
      runs,
      milliseconds: 20_000,
      ...end,
    });

  it("are those of one after the other, taken together", () => {
    const [first, second, both] = [runsFrom(3, 1, {}), runsFrom(4, 1, {}), runsFrom(3, 2, {})];
    const sum = (of: (figures: RunFigures) => number) => of(first) + of(second);
    const mean = (of: (figures: RunFigures) => number) =>
      sum((figures) => of(figures) * figures.seconds) / sum(({ seconds }) => seconds);
    expect(both.seconds).toBeCloseTo(
      sum(({ seconds }) => seconds),
      9,
    );
    expect(first.seconds).toBe(20);
    expect(both.reads.requests).toBe(sum(({ reads }) => reads.requests));
    expect(both.reads.most).toBe(Math.max(first.reads.most, second.reads.most));
    expect(both.streams.periods).toBe(sum(({ streams }) => streams.periods));
    expect(both.streams.missed).toBe(sum(({ streams }) => streams.missed));
    expect(both.streams.missed).toBeGreaterThan(0);
    for (const of of [
      ({ iops }: RunFigures) => iops,
      ({ queueDepth }: RunFigures) => queueDepth,
      ({ arm }: RunFigures) => arm.rotation,
    ])
      expect(of(both)).toBeCloseTo(mean(of), 9);
    expect(both.streams.missRatio).toEqual(missRatio([first.streams, second.streams]));
    expect(kindOf(both, "periodic").requests).toBe(sum((figures) => kindOf(figures, "periodic").requests));
  });

  it("end each after as many requests or periods", () => {
    expect(runsFrom(3, 2, { requests: 100 }).reads.requests + runsFrom(3, 2, { requests: 100 }).writes.requests).toBe(
      200,
    );
    expect(kindOf(runsFrom(3, 3, { periods: 50 }), "periodic").requests).toBe(150);
  });
});

describe("Jain's index", () => {
  it.each([
    [[0.5, 0.5, 0.5], 1],
    [[1, 0, 0, 0], 0.25],
    [[1, 2, 3], 36 / (3 * 14)],
    [[0, 0], null],
    [[], null],
  ])("of %j is %f", (shares, index) => {
    expect(fairness(shares)).toBe(index);
  });
});

describe("demands with a class of their own", () => {
  const demands = [0, 1, 2, 3].map((at) => ({ sector: at * 1000, sectors: 8, write: false }));
  it.each([
    ["closed", { depth: 2 }],
    ["open", { gaps: Float64Array.of(20, 20, 20, 20) }],
  ] as const)("are asked for with it, the others with their load's: %s loop", (_, pace) => {
    const { kinds } = calibrate({
      disk: calibrationDisk(),
      policy: POLICIES.find(({ name }) => name === "FCFS")!,
      streams: [],
      demands: demands.map((demand, at) => (at === 2 ? { ...demand, class: "critical" as const } : demand)),
      pace,
      seed: 1,
      requests: 40,
      milliseconds: 10_000,
    });
    expect(kinds.map(({ kind, requests }) => [kind, requests])).toEqual([
      ["critical", 10],
      ["normal", 30],
    ]);
  });
});
