import { describe, expect, it } from "vitest";
import { Random } from "../../../src/binary/index.ts";
import {
  type BlockRequest,
  CALIBRATION_STREAM,
  calibrate,
  calibrationDisk,
  HardDisk,
  inventedDemands,
  POLICIES,
} from "../../../src/storage/index.ts";
import { request } from "../request.ts";

const CYLINDER = 12 * 1057;

function schedulerOf(name: string) {
  const disk = new HardDisk(calibrationDisk());
  return { disk, scheduler: POLICIES.find((policy) => policy.name === name)!.create(disk) };
}

/** Serves all that waits, from a time on, and says in which order. */
function drain({ disk, scheduler }: ReturnType<typeof schedulerOf>, from = 0): BlockRequest[] {
  const served: BlockRequest[] = [];
  let now = from;
  for (let next = scheduler.take(now); next !== null; next = scheduler.take(now)) {
    served.push(next);
    disk.submit(next, now);
    now = disk.complete().at;
  }
  return served;
}

/** All of them come at once, to an arm that is at cylinder 2000; their order by cylinders. */
function from2000(name: string, requests: readonly BlockRequest[]): number[] {
  const policy = schedulerOf(name);
  policy.scheduler.add(request(2000 * CYLINDER), 0);
  drain(policy);
  for (const one of requests) policy.scheduler.add(one, 0);
  return drain(policy, 100).map(({ sector }) => sector / CYLINDER);
}

/** How many reads and writes go in a row. */
const rows = (served: readonly BlockRequest[]) => {
  const found: [kind: string, times: number][] = [];
  for (const { write } of served) {
    const kind = write ? "write" : "read";
    if (found.at(-1)?.[0] === kind) found.at(-1)![1]++;
    else found.push([kind, 1]);
  }
  return found;
};

describe("the textbooks' policies", () => {
  const DEADLINES = [
    [3500, 160],
    [1500, 110],
    [2600, 140],
    [100, 120],
    [4000, Number.POSITIVE_INFINITY],
  ] as const;
  const requests = () => DEADLINES.map(([cylinder, deadline]) => request(cylinder * CYLINDER, { deadline }));

  it.each([
    ["FCFS", [3500, 1500, 2600, 100, 4000]],
    // 500 down; 1100 up and not 1400 down; up to the end.
    ["SSTF", [1500, 2600, 3500, 4000, 100]],
    ["C-LOOK", [2600, 3500, 4000, 100, 1500]],
    ["EDF", [1500, 100, 2600, 3500, 4000]],
    // 110, 120 and 140 are one sweep's, which goes up from 2000 and begins again below.
    ["SCAN-EDF", [2600, 100, 1500, 3500, 4000]],
  ])("%s serves %j", (name, order) => {
    expect(from2000(name, requests())).toEqual(order);
  });

  it("SPTF takes what the platters bring first, where SSTF takes what came first", () => {
    const order = (name: string) => {
      const policy = schedulerOf(name);
      for (const sector of [900, 300]) policy.scheduler.add(request(sector), 0);
      return drain(policy).map(({ sector }) => sector);
    };
    expect(order("SPTF")).toEqual([300, 900]);
    expect(order("SSTF")).toEqual([900, 300]);
  });

  it("ASPTF takes what has waited long before what is near, where SPTF does not", () => {
    const order = (name: string) => {
      const policy = schedulerOf(name);
      policy.scheduler.add(request(4000 * CYLINDER), 0);
      policy.scheduler.add(request(2001 * CYLINDER, { arrival: 3000 }), 3000);
      return drain(policy, 3000).map(({ sector }) => sector / CYLINDER);
    };
    expect(order("ASPTF")).toEqual([4000, 2001]);
    expect(order("SPTF")).toEqual([2001, 4000]);
  });
});

describe("mq-deadline", () => {
  it("sweeps in batches of 16, two of reads before one of writes", () => {
    const policy = schedulerOf("mq-deadline");
    for (let at = 0; at < 40; at++) policy.scheduler.add(request(at * 1000), 0);
    for (let at = 0; at < 4; at++) policy.scheduler.add(request(at * 1000 + 500, { write: true }), 0);
    expect(rows(Array.from({ length: 44 }, () => policy.scheduler.take(0)!))).toEqual([
      ["read", 32],
      ["write", 4],
      ["read", 8],
    ]);
  });

  it.each([
    [false, 500],
    [true, 5000],
  ])("begins a batch with what is overdue (write: %s, after %i ms), and goes on from there", (write, expires) => {
    const order = (now: number) => {
      const { scheduler } = schedulerOf("mq-deadline");
      for (const sector of [5000, 1000, 9000]) scheduler.add(request(sector, { write }), 0);
      return Array.from({ length: 3 }, () => scheduler.take(now)!.sector);
    };
    expect(order(expires - 1)).toEqual([1000, 5000, 9000]);
    expect(order(expires)).toEqual([5000, 9000, 1000]);
  });

  it("makes one of what follows on the medium, of one direction", () => {
    const { scheduler } = schedulerOf("mq-deadline");
    const parts = [request(108), request(100), request(116)];
    for (const one of [...parts, request(124, { write: true })]) scheduler.add(one, 0);
    expect(scheduler.take(0)).toMatchObject({ sector: 100, sectors: 24, parts: [parts[1], parts[0], parts[2]] });
    expect(scheduler.take(0)).toMatchObject({ sector: 124, sectors: 8 });
    expect(scheduler.size).toBe(0);
  });
});

describe("what is like Kyber", () => {
  it("has batches of 16 reads and 8 writes by turns, each in order of arrival", () => {
    const { scheduler } = schedulerOf("Kyber-like");
    const requests = Array.from({ length: 40 }, (_, at) => request((40 - at) * 1000, { write: at % 2 === 1 }));
    for (const one of requests) scheduler.add(one, 0);
    const served = requests.map(() => scheduler.take(0)!);
    expect(rows(served)).toEqual([
      ["read", 16],
      ["write", 8],
      ["read", 4],
      ["write", 12],
    ]);
    const reads = served.filter(({ write }) => !write).map(({ id }) => id);
    expect(reads).toEqual(reads.toSorted((a, b) => a - b));
  });
});

describe("what is like Cello", () => {
  it("lets others fill the time before a stream's request must go", () => {
    const place = (deadline: number) => {
      const policy = schedulerOf("Cello-like");
      policy.scheduler.add(request(3000 * CYLINDER, { deadline, sectors: 256 }), 0);
      for (let at = 0; at < 4; at++) policy.scheduler.add(request(at * 100 * CYLINDER), 0);
      return drain(policy).findIndex(({ deadline: due }) => due !== Number.POSITIVE_INFINITY);
    };
    expect(place(30)).toBe(0);
    expect(place(500)).toBe(4);
  });

  it("gives reads three parts of the time where writes have two", () => {
    const { disk, scheduler } = schedulerOf("Cello-like");
    const random = new Random(1, "cello");
    const ask = (write: boolean) => scheduler.add(request(random.below(disk.sectors - 8), { write }), 0);
    for (const write of [false, true]) for (let open = 0; open < 8; open++) ask(write);
    const spent = { reads: 0, writes: 0 };
    let now = 0;
    while (now < 60_000) {
      const next = scheduler.take(now)!;
      disk.submit(next, now);
      const { at } = disk.complete();
      spent[next.write ? "writes" : "reads"] += at - now;
      now = at;
      ask(next.write);
    }
    expect(spent.reads / (spent.reads + spent.writes)).toBeCloseTo(0.6, 1);
  });
});

describe("the yardsticks that look at deadlines", () => {
  // As EDF, SCAN-EDF and rounds do in storage.md B2.
  it.each(["EDF", "SCAN-EDF", "BFQ-like", "Cello-like", "Cascaded-SFC-like", "rounds", "rounds by position"])(
    "%s misses none of 28 streams on the calibration load",
    (name) => {
      const disk = calibrationDisk();
      const { streams } = calibrate({
        disk,
        policy: POLICIES.find((policy) => policy.name === name)!,
        streams: Array(28).fill(CALIBRATION_STREAM),
        demands: inventedDemands(disk.sectors, 2_000, 1),
        pace: { depth: 32 },
        seed: 1,
        milliseconds: 30_000,
      });
      expect(streams.periods).toBeGreaterThan(28 * 58);
      expect(streams.missed).toBe(0);
    },
  );
});
