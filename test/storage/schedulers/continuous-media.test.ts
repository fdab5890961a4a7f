import { describe, expect, it } from "vitest";
import { Random } from "../../../src/binary/index.ts";
import {
  admit,
  type BlockRequest,
  CALIBRATION_STREAM,
  ClosedLoop,
  ContinuousMedia,
  calibrate,
  calibrationDisk,
  HardDisk,
  inventedDemands,
  Numbers,
  POLICIES,
  type RequestClass,
  simulate,
} from "../../../src/storage/index.ts";
import { PageFaults } from "../page-faults.ts";
import { request } from "../request.ts";

const CYLINDER = 12 * 1057;

function scheduler() {
  const disk = new HardDisk(calibrationDisk());
  return { disk, media: new ContinuousMedia(disk) };
}

/** Serves all that waits; says in which order, and when each was done. */
function drain({ disk, media }: ReturnType<typeof scheduler>, from = 0): { request: BlockRequest; at: number }[] {
  const served: { request: BlockRequest; at: number }[] = [];
  let now = from;
  for (let next = media.take(now); next !== null; next = media.take(now)) {
    disk.submit(next, now);
    now = disk.complete().at;
    for (const part of next.parts ?? [next]) served.push({ request: part, at: now });
  }
  return served;
}

describe("the scheduler for continuous media", () => {
  it("takes what is nearest by arm and rotation", () => {
    const both = scheduler();
    const far = request(4000 * CYLINDER);
    const near = request(2 * CYLINDER);
    both.media.add(far);
    both.media.add(near);
    expect(drain(both).map((one) => one.request)).toEqual([near, far]);
  });

  it("makes one transfer of what follows on the medium, and reads through gaps that pass in a command's time", () => {
    const { media } = scheduler();
    const parts = [request(100), request(108), request(130), request(400)];
    for (const one of parts) media.add(one);
    const first = media.take(0)!;
    expect(first).toMatchObject({ sector: 100, sectors: 38 });
    expect(first.parts).toEqual(parts.slice(0, 3));
    expect(media.size).toBe(1);
  });

  it("writes nothing between two writes", () => {
    const { media } = scheduler();
    for (const one of [request(100, { write: true }), request(110, { write: true })]) media.add(one);
    expect(media.take(0)).toMatchObject({ sectors: 8 });
  });

  it("lets an aperiodic request go as long as streams can be served in time, and no longer", () => {
    const served = (deadline: number) => {
      const both = scheduler();
      const stream = request(5000 * CYLINDER, { deadline, sectors: 256 });
      both.media.add(stream);
      for (let at = 0; at < 6; at++) both.media.add(request((10 + 300 * at) * CYLINDER));
      const order = drain(both);
      const own = order.find((one) => one.request === stream)!;
      return { place: order.indexOf(own), late: own.at > deadline };
    };
    expect(served(5000)).toEqual({ place: 6, late: false });
    expect(served(70).place).toBeLessThan(6);
    expect(served(70)).toMatchObject({ late: false });
    expect(served(35)).toEqual({ place: 0, late: false });
  });

  it("gives each class its slots of a round, the urgent first, and none starves", () => {
    const both = scheduler();
    for (const [index, name] of (["idle", "low", "background", "normal", "high"] as const).entries())
      for (let at = 0; at < 40; at++) both.media.add(request((at * 100 + 11 * index) * CYLINDER, { class: name }));
    const order = drain(both).map((one) => one.request.class);
    const firstOf = (name: RequestClass) => order.indexOf(name);
    expect(order.slice(0, 58).filter((name) => name === "high")).toHaveLength(32);
    expect(firstOf("normal")).toBeLessThan(firstOf("idle"));
    // 32 + 16 + 6 + 3 + 1: a round has them all.
    expect(firstOf("idle")).toBeLessThan(58);
    expect(order).toHaveLength(200);
  });

  it("lets a request inherit the class of who begins to wait for it", () => {
    const both = scheduler();
    const awaited = request(4900 * CYLINDER, { class: "background" });
    both.media.add(awaited);
    for (let at = 0; at < 10; at++) both.media.add(request(at * 50 * CYLINDER));
    both.media.raise(awaited, "critical");
    expect(both.media.take(0)).toBe(awaited);
    // Under way: nothing that waits is taken for it.
    const last = request(awaited.sector, { class: "background" });
    both.media.add(last);
    both.media.raise(awaited, "critical");
    expect(both.media.take(0)).not.toBe(last);
  });

  it("lets nothing wait for ever: what is old goes before what is near", () => {
    const { media } = scheduler();
    const old = request(5000 * CYLINDER, { write: true, arrival: 0 });
    media.add(old);
    for (let at = 0; at < 10; at++) media.add(request(at * 1000, { arrival: 3_600 }));
    expect(media.take(3_600)).toBe(old);
  });

  it("lets what is critical go before what is old", () => {
    const { media } = scheduler();
    media.add(request(0, { class: "background", arrival: 0 }));
    const critical = request(5000 * CYLINDER, { class: "critical", arrival: 10_000 });
    media.add(critical);
    expect(media.take(10_000)).toBe(critical);
  });

  const disk = new HardDisk(calibrationDisk());
  const places = new Random(7, "places");
  const anywhere = Array.from({ length: 20_000 }, () => ({
    sector: places.below(disk.sectors - 128),
    sectors: 128,
    write: places.below(3) === 0,
  }));
  const invented = inventedDemands(disk.sectors, 5_000, 2);
  const AMID = 20_000_000;
  it.each([
    { depth: 32, name: "requests in the background", background: invented, least: 32, first: AMID },
    { depth: 128, name: "requests in the background", background: invented, least: 128, first: AMID },
    // A disk that serves one of them after the other does 72 a second.
    { depth: 1, name: "request at random all over the disk", background: anywhere, least: 40, first: AMID },
    { depth: 4, name: "requests at random all over the disk", background: anywhere, least: 60, first: AMID },
    { depth: 1024, name: "requests at random all over the disk", background: anywhere, least: 120, first: AMID },
    { depth: 1, name: "request at random from the other edge on", background: anywhere, least: 18, first: 0 },
    { depth: 128, name: "requests at random from the other edge on", background: anywhere, least: 75, first: 0 },
  ])("lets a page fault wait at most twice as long as on an idle disk, beside $depth $name", (mix) => {
    const p99 = (open: number) => {
      const device = new HardDisk(calibrationDisk());
      const numbers = new Numbers();
      const faults = new PageFaults(1, 4, mix.first, 2 ** 18, new Random(1, "faults"), numbers);
      const load = new ClosedLoop(mix.background, open, 2, "background", numbers);
      const latencies: number[] = [];
      let others = 0;
      simulate(
        device,
        new ContinuousMedia(device),
        open === 0 ? [faults] : [faults, load],
        1_000_000,
        ({ request: done, at }) => {
          if (done.owner === 1) latencies.push(at - done.arrival);
          else others++;
          return true;
        },
      );
      if (open > 0) expect(others / 1000).toBeGreaterThanOrEqual(mix.least);
      return latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)]!;
    };
    expect(p99(mix.depth)).toBeLessThanOrEqual(2 * p99(0));
  });

  it("sends the arm far in legs where a page fault is expected, and in one go where none is", () => {
    const far = request(5000 * CYLINDER);
    const both = scheduler();
    for (const cylinder of [600, 800]) both.media.add(request(cylinder * CYLINDER, { class: "critical" }));
    const { at, request: last } = drain(both)[1]!;
    both.media.add(far);
    const leg = both.media.take(at)!;
    expect(leg).toMatchObject({ sectors: 0, parts: [] });
    // The longest of legs, each 4/5 of the one before, after which a page fault takes no longer than it should.
    const from = last.sector / CYLINDER;
    const way = leg.sector / CYLINDER - from;
    const seekTime = (cylinders: number) => both.disk.seekTime(Math.round(cylinders));
    const { rotation } = both.disk;
    const longest = 2.2 * (0.3 + seekTime(200) + rotation);
    const back = (cylinders: number) => 0.6 + seekTime(cylinders) + seekTime(from - 700 + cylinders) + rotation;
    const times = Math.log(way / (5000 - from)) / Math.log(0.8);
    expect(times).toBeCloseTo(Math.round(times), 3);
    expect(back(way)).toBeLessThanOrEqual(longest);
    expect(back(way / 0.8)).toBeGreaterThan(longest);
    both.disk.submit(leg, at);
    const there = both.disk.complete().at;
    expect(there - at).toBeCloseTo(0.3 + both.disk.seekTime(Math.floor(way)), 9);
    // What comes meanwhile is served from there.
    const next = request(1700 * CYLINDER, { class: "critical", arrival: there });
    both.media.add(next);
    expect(both.media.take(there)).toBe(next);

    const calm = scheduler();
    calm.media.add(far);
    expect(calm.media.take(0)).toBe(far);
  });

  it("serves a thousand requests all over the disk twice as quickly as one after the other, and each within 15 seconds", () => {
    const device = new HardDisk(calibrationDisk());
    let most = 0;
    let served = 0;
    const load = new ClosedLoop(anywhere, 1024, 2, "normal", new Numbers());
    simulate(device, new ContinuousMedia(device), [load], 200_000, ({ request: { arrival }, at }) => {
      most = Math.max(most, at - arrival);
      served++;
      return true;
    });
    expect(served / 200).toBeGreaterThan(140);
    expect(most).toBeLessThan(15_000);
  });

  it.each([8, 24, 32, 40])("5.6/13: misses no deadline of %i streams under full aperiodic load", (streams) => {
    const disk = calibrationDisk();
    const figures = calibrate({
      disk,
      policy: POLICIES[0]!,
      streams: Array(streams).fill(CALIBRATION_STREAM),
      demands: inventedDemands(disk.sectors, 5_000, streams),
      pace: { depth: 32 },
      seed: streams,
      periods: 8_000,
      milliseconds: Number.POSITIVE_INFINITY,
    });
    expect(figures.streams.missed).toBe(0);
    expect(figures.iops).toBeGreaterThan(0);
  });
});

describe("admission", () => {
  const disk = new HardDisk(calibrationDisk());

  it("takes at least 40 streams of the calibration load where plans know the rotation, of which 32 are guaranteed without", () => {
    const others: (typeof CALIBRATION_STREAM)[] = [];
    let guaranteed = 0;
    while (admit(CALIBRATION_STREAM, others, disk).admitted) {
      others.push(CALIBRATION_STREAM);
      if (admit(CALIBRATION_STREAM, others, disk).guaranteed) guaranteed = others.length + 1;
    }
    expect(others.length).toBeGreaterThanOrEqual(40);
    expect(guaranteed).toBeGreaterThanOrEqual(31);
    expect(guaranteed).toBeLessThanOrEqual(33);
  });

  it("5.6/14: refuses a stream that does not fit, and says how many like it are too many", () => {
    const others = Array(60).fill(CALIBRATION_STREAM);
    const answer = admit(CALIBRATION_STREAM, others, disk);
    expect(answer).toMatchObject({ admitted: false, guaranteed: false });
    expect(admit(CALIBRATION_STREAM, others.slice(answer.missing), disk).admitted).toBe(true);
    expect(admit(CALIBRATION_STREAM, others.slice(answer.missing - 1), disk).admitted).toBe(false);
  });

  it("counts a stream as often as it asks in the shortest period", () => {
    const slow = { period: 1000, sectors: 256 };
    const shareOf = (...[stream, ...others]: [typeof slow, ...(typeof slow)[]]) => admit(stream, others, disk).share;
    expect(shareOf(slow)).toBeLessThan(shareOf(CALIBRATION_STREAM));
    expect(shareOf(slow, slow, slow)).toBeGreaterThan(1.5 * shareOf(slow));
    expect(shareOf({ period: 100, sectors: 64 })).toBeGreaterThan(shareOf(CALIBRATION_STREAM));
  });
});
