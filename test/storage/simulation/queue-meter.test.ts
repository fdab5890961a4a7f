import { describe, expect, it } from "vitest";
import { Random } from "../../../src/binary/index.ts";
import {
  type BlockRequest,
  ClosedLoop,
  type Completion,
  calibrationDisk,
  HardDisk,
  inventedDemands,
  kindOf,
  Numbers,
  PeriodicStreams,
  POLICIES,
  QueueMeter,
  REQUEST_CLASSES,
  REQUEST_KINDS,
  type Scheduler,
  simulate,
} from "../../../src/storage/index.ts";

interface Stay {
  readonly request: BlockRequest;
  readonly begun: number;
  readonly ended: number;
  /** The lowest number of the classes of what was served with it. */
  readonly rank: number;
}

/** A scheduler that writes down when each request was there and when it was served. */
class Diary implements Scheduler {
  readonly name = "diary";
  readonly came: BlockRequest[] = [];
  readonly stays = new Map<BlockRequest, Stay>();
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  get size(): number {
    return this.#scheduler.size;
  }

  get wakeAt(): number {
    return this.#scheduler.wakeAt;
  }

  add(request: BlockRequest, now: number): void {
    this.came.push(request);
    this.#scheduler.add(request, now);
  }

  take(now: number): BlockRequest | null {
    const taken = this.#scheduler.take(now);
    const parts = taken === null ? [] : (taken.parts ?? [taken]);
    const rank = Math.min(...parts.map((part) => REQUEST_CLASSES.indexOf(part.class)));
    for (const request of parts)
      this.stays.set(request, { request, begun: now, ended: Number.POSITIVE_INFINITY, rank });
    return taken;
  }

  completed(completion: Completion): void {
    for (const part of completion.request.parts ?? [completion.request])
      this.stays.set(part, { ...this.stays.get(part)!, ended: completion.at });
    this.#scheduler.completed(completion);
  }
}

const overlap = (from: number, to: number, begun: number, ended: number) =>
  Math.max(0, Math.min(to, ended) - Math.max(from, begun));

describe("what waits in a scheduler", () => {
  it.each(["FCFS", "mq-deadline", "continuous media", "Kyber-like"])(
    "is measured as from a diary of each request: %s",
    (name) => {
      const disk = new HardDisk(calibrationDisk());
      const numbers = new Numbers();
      const demands = inventedDemands(disk.sectors, 500, 1);
      const loads = [
        new PeriodicStreams(Array(4).fill({ period: 100, sectors: 64 }), disk.sectors, new Random(1, "s"), numbers),
        new ClosedLoop(demands, 3, 100, "critical", numbers),
        new ClosedLoop(demands, 6, 101, "normal", numbers, 200),
        new ClosedLoop(demands, 2, 102, "idle", numbers, 400),
      ];
      const diary = new Diary(POLICIES.find((policy) => policy.name === name)!.create(disk));
      const meter = new QueueMeter(diary);
      const end = simulate(disk, meter, loads, 4_000, () => true);

      const served = new Map([...diary.stays.values()].map((stay) => [stay.begun, stay]));
      const stayOf = (request: BlockRequest) =>
        diary.stays.get(request) ?? { begun: Number.POSITIVE_INFINITY, ended: Number.POSITIVE_INFINITY };
      const depth = diary.came.reduce((sum, one) => sum + overlap(0, end, one.arrival, stayOf(one).ended), 0) / end;
      expect(meter.depth(end)).toBeCloseTo(depth, 6);
      expect([...meter.open()]).toEqual(diary.came.filter((one) => stayOf(one).ended > end));

      for (const kind of REQUEST_KINDS) {
        const own = diary.came.filter((one) => kindOf(one) === kind);
        const inverted = own.map((one) =>
          [...served.values()]
            .filter(({ rank }) => rank > REQUEST_CLASSES.indexOf(one.class))
            .reduce(
              (sum, { begun, ended }) =>
                sum + overlap(one.arrival, Math.min(end, stayOf(one).begun), begun, Math.min(end, ended)),
              0,
            ),
        );
        const found = meter.inversions(end).find((one) => one.kind === kind);
        expect(found?.arrived ?? 0, kind).toBe(own.length);
        expect(found?.inverted ?? 0, kind).toBeCloseTo(
          inverted.reduce((sum, one) => sum + one, 0),
          5,
        );
        if (kind === "normal") expect(found!.inverted).toBeGreaterThan(0);
        if (kind === "idle") expect(found!.inverted).toBe(0);
      }
    },
  );
});
