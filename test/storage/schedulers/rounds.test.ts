import { describe, expect, it } from "vitest";
import {
  type BlockRequest,
  CALIBRATION_STREAM,
  calibrate,
  calibrationDisk,
  inventedDemands,
  POLICIES,
  REQUEST_CLASSES,
  type RequestClass,
  Rounds,
  type RoundsParameters,
  roundSize,
  serviceBound,
} from "../../../src/storage/index.ts";
import { adversarialRounds } from "../../conformance/storage/adversarial-rounds.ts";
import { request } from "../request.ts";

function roundsOf(requests: readonly BlockRequest[], parameters: Partial<RoundsParameters> = {}): BlockRequest[][] {
  const scheduler = new Rounds({ size: 4, bound: 100, periodicSlots: 2, ...parameters });
  for (const one of requests) scheduler.add(one);
  const rounds: BlockRequest[][] = [];
  while (scheduler.size > 0) {
    const before = scheduler.rounds;
    const taken = scheduler.take(0)!;
    if (scheduler.rounds > before) rounds.push([]);
    rounds.at(-1)!.push(taken);
  }
  return rounds;
}

const sectors = (round: readonly BlockRequest[] | undefined) => round?.map(({ sector }) => sector);

/** The worked example of systems.md 5.4. */
const EXAMPLE = {
  cylinders: 10_000,
  seekTime: (way: number) => (way === 0 ? 0 : 0.8 + 0.02 * Math.sqrt(way)),
  rotation: 25 / 3,
  transfer: 1.25,
  overhead: 0.3,
};

describe("the bound of a round (systems.md 5.4)", () => {
  it.each([
    [1, 15.4833],
    [2, 26.9951],
    [4, 49.5333],
    [8, 93.9235],
    [16, 181.7333],
    [32, 355.9804],
    [64, 702.5333],
  ])("is for %i requests %f ms", (requests, bound) => {
    expect(Math.abs(serviceBound(requests, EXAMPLE) - bound)).toBeLessThanOrEqual(1e-3);
  });

  it.each([
    [20, 1, 0],
    [50, 4, 1],
    [100, 8, 4],
    [200, 17, 8],
    [500, 45, 22],
  ])(
    "5.6/4: a latency of %i ms makes rounds of %i, and of %i where a request may just miss one",
    (latency, one, two) => {
      expect(roundSize(latency, EXAMPLE)).toBe(one);
      expect(roundSize(latency / 2, EXAMPLE)).toBe(two);
    },
  );

  it("5.6/5: is not exceeded by a round, at random or evenly spaced", () => {
    const { over, closest } = adversarialRounds(5_000, 7);
    expect(over).toBe(0);
    expect(closest).toBeGreaterThan(0.6);
  });
});

describe("rounds (systems.md 5.6)", () => {
  it.each(REQUEST_CLASSES)("5.6/1, 5.6/7: a request of class %s is put where its class is served", (name) => {
    const slots = Object.fromEntries(REQUEST_CLASSES.map((one) => [one, one === name ? 1 : 0])) as Record<
      RequestClass,
      number
    >;
    const all = REQUEST_CLASSES.filter((one) => one !== "critical" || name === "critical").map((one, at) =>
      request(at, { class: one }),
    );
    const [first] = roundsOf(all, { size: 1, slots });
    expect(first![0]!.class).toBe(name);
  });

  it("5.6/7: has the seven classes in the order of their urgency", () => {
    const oneEach = REQUEST_CLASSES.map((name, at) => request(100 - at, { class: name }));
    const order = roundsOf(oneEach, {
      size: 1,
      slots: Object.fromEntries(REQUEST_CLASSES.map((name) => [name, 1])) as Record<RequestClass, number>,
    });
    expect(order.map(([first]) => first!.class)).toEqual([
      "critical",
      "high",
      "interactive",
      "normal",
      "background",
      "low",
      "idle",
    ]);
  });

  it("5.6/2: takes streams' requests in order of deadlines", () => {
    const rounds = roundsOf(
      [30, 10, 20].map((deadline) => request(0, { deadline })),
      { size: 1 },
    );
    expect(rounds.map(([first]) => first!.deadline)).toEqual([10, 20, 30]);
  });

  it("5.6/3: has at most its size of requests", () => {
    const rounds = roundsOf(Array.from({ length: 10 }, (_, at) => request(at * 8)));
    expect(rounds.map(({ length }) => length)).toEqual([4, 4, 2]);
  });

  it("5.6/6: goes upwards over the disk", () => {
    expect(sectors(roundsOf([900, 100, 500].map((sector) => request(sector)))[0])).toEqual([100, 500, 900]);
  });

  it("5.6/8: gives each class its slots, so that idle is never starved", () => {
    const long = (["high", "normal", "idle"] as const).flatMap((name) =>
      Array.from({ length: 8 }, (_, at) => request(at, { class: name })),
    );
    const slots = { critical: 0, high: 2, interactive: 0, normal: 1, background: 0, low: 0, idle: 1 };
    const counts = roundsOf(long, { slots })
      .slice(0, 3)
      .map((round) =>
        (["high", "normal", "idle"] as const).map((name) => round.filter((one) => one.class === name).length),
      );
    expect(counts).toEqual([
      [2, 1, 1],
      [2, 1, 1],
      [2, 1, 1],
    ]);
  });

  it("5.6/9: takes those of a class in order of arrival, wherever they lie", () => {
    const slots = { critical: 0, high: 0, interactive: 0, normal: 2, background: 0, low: 0, idle: 0 };
    const rounds = roundsOf(
      [900, 100, 500].map((sector) => request(sector)),
      { size: 2, slots },
    );
    expect(rounds.map(sectors)).toEqual([[100, 900], [500]]);
  });

  it("5.6/10: leaves the third of three due requests to the next round where there are two slots", () => {
    const due = [1, 2, 3].map((at) => request(at, { deadline: at }));
    const others = Array.from({ length: 4 }, (_, at) => request(100 + at));
    const [first, second] = roundsOf([...due, ...others]);
    expect(first!.filter(({ deadline }) => deadline < 10)).toHaveLength(2);
    expect(second!.filter(({ deadline }) => deadline < 10)).toHaveLength(1);
  });

  it("5.6/11: does not wait for a stream that is not due: others fill the round", () => {
    const [first] = roundsOf([
      request(1, { deadline: 10_000 }),
      ...Array.from({ length: 4 }, (_, at) => request(10 + at)),
    ]);
    expect(sectors(first)).toEqual([10, 11, 12, 13]);
  });

  it("5.6/12: lets nothing join a sweep that is under way but what is critical", () => {
    const scheduler = new Rounds({ size: 2, bound: 100, periodicSlots: 1 });
    for (const sector of [10, 30]) scheduler.add(request(sector));
    expect(scheduler.take(0)!.sector).toBe(10);
    scheduler.add(request(20));
    scheduler.add(request(25, { class: "critical" }));
    expect([scheduler.take(0)!.sector, scheduler.take(0)!.sector, scheduler.take(0)!.sector]).toEqual([25, 30, 20]);
  });

  it("5.6/15: lends the slots of a class that has nothing to ask for", () => {
    const slots = { critical: 0, high: 3, interactive: 0, normal: 1, background: 0, low: 0, idle: 0 };
    expect(
      roundsOf(
        Array.from({ length: 8 }, (_, at) => request(at)),
        { slots },
      ).map(({ length }) => length),
    ).toEqual([4, 4]);
  });

  it("5.6/16: keeps latencies within its bound where C-LOOK does not, at a throughput no less", () => {
    const disk = calibrationDisk();
    const demands = inventedDemands(disk.sectors, 4_000, 3);
    const run = (name: string) =>
      calibrate({
        disk,
        policy: POLICIES.find((policy) => policy.name === name)!,
        streams: Array(8).fill(CALIBRATION_STREAM),
        demands,
        pace: { depth: 32 },
        seed: 5,
        milliseconds: 60_000,
      });
    const look = run("C-LOOK");
    const ours = run("continuous media");
    expect(look.streams.maximumTardiness).toBeGreaterThan(0);
    expect(ours.streams.missed).toBe(0);
    expect(ours.iops).toBeGreaterThan(look.iops);
  });
});
