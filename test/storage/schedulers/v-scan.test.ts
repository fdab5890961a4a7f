import { describe, expect, it } from "vitest";
import { Random } from "../../../src/binary/index.ts";
import {
  type BlockRequest,
  calibrationDisk,
  HardDisk,
  POLICIES,
  type Scheduler,
  VScan,
} from "../../../src/storage/index.ts";
import { request } from "../request.ts";

const CYLINDER = 12 * 1057;

/** Serves what waits, and what comes meanwhile; says in which order, by their places in the order of arrival. */
function served(create: (disk: HardDisk) => Scheduler, ...batches: readonly (readonly BlockRequest[])[]): number[] {
  const disk = new HardDisk(calibrationDisk());
  const scheduler = create(disk);
  const arrivals = batches.flat();
  const order: number[] = [];
  let now = 0;
  const serve = (count: number) => {
    for (let left = count; left > 0 && scheduler.size > 0; left--) {
      const taken = scheduler.take(now)!;
      order.push(arrivals.indexOf(taken));
      disk.submit(taken, now);
      now = disk.complete().at;
    }
  };
  for (const batch of batches) {
    for (const one of batch) scheduler.add(one, now);
    serve(batch.length / 2);
  }
  serve(Number.POSITIVE_INFINITY);
  return order;
}

const at = (...cylinders: readonly number[]) => cylinders.map((cylinder) => request(cylinder * CYLINDER));
const batches = (seed: number) => {
  const random = new Random(seed, "v-scan");
  return Array.from({ length: 20 }, () => at(...Array.from({ length: 16 }, () => 100 * random.below(50))));
};

/** SCAN as books have it: up to the last request that waits, then down to the last, by a sorted list. */
class PlainScan implements Scheduler {
  readonly name = "SCAN";
  readonly wakeAt = Number.POSITIVE_INFINITY;
  readonly #disk: HardDisk;
  #waiting: BlockRequest[] = [];
  #isUpward = true;

  constructor(disk: HardDisk) {
    this.#disk = disk;
  }

  get size(): number {
    return this.#waiting.length;
  }

  add(one: BlockRequest): void {
    this.#waiting.push(one);
  }

  take(): BlockRequest {
    const heads = this.#disk.heads.cylinder;
    const cylinder = ({ sector }: BlockRequest) => Math.floor(sector / CYLINDER);
    const upward = this.#waiting.filter((one) => cylinder(one) >= heads);
    const downward = this.#waiting.filter((one) => cylinder(one) <= heads);
    if ((this.#isUpward ? upward : downward).length === 0) this.#isUpward = !this.#isUpward;
    const [next] = this.#isUpward
      ? upward.toSorted((a, b) => cylinder(a) - cylinder(b) || a.id - b.id)
      : downward.toSorted((a, b) => cylinder(b) - cylinder(a) || a.id - b.id);
    this.#waiting = this.#waiting.filter((one) => one !== next);
    return next!;
  }

  completed(): void {}
}

describe("V(R) (Geist and Daniel 1987)", () => {
  it.each([1, 2, 3])("V(0) is SSTF, seed %i", (seed) => {
    const sstf = POLICIES.find(({ name }) => name === "SSTF")!;
    expect(served((disk) => new VScan(0, disk), ...batches(seed))).toEqual(
      served((disk) => sstf.create(disk), ...batches(seed)),
    );
  });

  it.each([1, 2, 3])("V(1) is SCAN, seed %i", (seed) => {
    expect(served((disk) => new VScan(1, disk), ...batches(seed))).toEqual(
      served((disk) => new PlainScan(disk), ...batches(seed)),
    );
  });

  it("lies between: it turns back for what is nearer by more than R of 5172 cylinders", () => {
    // After 1000 the arm has moved up. 800 is 200 behind it, 1300 is 300 ahead, 2500 is 1500 ahead.
    const from1000 = (bias: number, ...others: readonly number[]) =>
      served((disk) => new VScan(bias, disk), at(1000), at(...others)).map((place) => [1000, ...others][place]);
    expect(from1000(0, 800, 1300)).toEqual([1000, 800, 1300]);
    expect(from1000(0.02, 800, 1300)).toEqual([1000, 1300, 800]);
    // 200 + 0.2 * 5172 = 1234.4 is less than 1500, and more than 1234.
    expect(from1000(0.2, 800, 2500)).toEqual([1000, 800, 2500]);
    expect(from1000(0.2, 800, 2234)).toEqual([1000, 2234, 800]);
    expect(from1000(0.2, 800, 2235)).toEqual([1000, 800, 2235]);
    expect(from1000(1, 800, 2500)).toEqual([1000, 2500, 800]);
  });
});
