import { describe, expect, it } from "vitest";
import { Random } from "../../../src/binary/index.ts";
import { calibrationDisk, HardDisk, roundOrder, type Stop, wayOf, wayTimes } from "../../../src/storage/index.ts";
import { assignmentBound, heldKarp } from "./best-order.ts";

const disk = new HardDisk(calibrationDisk());

function stopsOf(count: number, random: Random): Stop[] {
  return Array.from({ length: count }, () => {
    const stop = {
      cylinder: 0,
      head: 0,
      angle: 0,
      request: { write: random.below(2) === 0 },
      transfer: random.between(0.1, 2),
    };
    disk.locate(random.below(disk.sectors), stop);
    return stop;
  });
}

/** How much longer than a bound the way of the order found is. */
function above(count: number, seed: number, bound: (times: Float64Array, size: number) => number): number {
  const random = new Random(seed, "stops");
  const stops = stopsOf(count, random);
  const at = random.between(0, 100);
  const order = roundOrder(stops, disk, at);
  expect(order.toSorted((a, b) => a - b)).toEqual(stops.map((_, stop) => stop));
  const times = wayTimes(stops, disk, at);
  return wayOf(order, times, count) / bound(times, count) - 1;
}

describe("the order inside a round", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])("of %i stops is at most 2 %% above the best there is", (count) => {
    for (let seed = 0; seed < 6; seed++) expect(above(count, seed, heldKarp)).toBeLessThanOrEqual(0.02);
  });

  // Of few stops even the best order may be farther above the bound (13 % of 12): there only the mean is held to it.
  it.each([13, 16, 24, 32, 48, 64])(
    "of %i stops is in the mean at most 8 %% above what no order can be below",
    (count) => {
      const all = Array.from({ length: 12 }, (_, seed) => above(count, seed, assignmentBound));
      expect(all.reduce((sum, one) => sum + one, 0) / all.length).toBeLessThanOrEqual(0.08);
      if (count >= 32) expect(Math.max(...all)).toBeLessThanOrEqual(0.08);
    },
  );

  it("is never below the bound that it is judged by", () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = new Random(seed, "bound");
      const times = wayTimes(stopsOf(8, random), disk, 0);
      expect(assignmentBound(times, 8)).toBeLessThanOrEqual(heldKarp(times, 8) + 1e-9);
    }
  });

  it("takes as long as the disk takes for it", () => {
    const random = new Random(9, "served");
    const own = new HardDisk(calibrationDisk());
    const requests = Array.from({ length: 12 }, (_, id) => ({
      id,
      sector: random.below(own.sectors - 8),
      sectors: 8,
      write: false,
      arrival: 0,
      owner: 0,
      class: "normal" as const,
      deadline: Number.POSITIVE_INFINITY,
    }));
    const stops = requests.map((request) => {
      const stop = { cylinder: 0, head: 0, angle: 0, request, transfer: (8 * own.rotation) / 1057 };
      own.locate(request.sector, stop);
      return stop;
    });
    const order = roundOrder(stops, own, 0);
    const expected = wayOf(order, wayTimes(stops, own, 0), 12) + stops.reduce((sum, { transfer }) => sum + transfer, 0);
    let now = 0;
    for (const stop of order) {
      own.submit(requests[stop]!, now);
      now = own.complete().at;
    }
    expect(now).toBeCloseTo(expected, 3);
  });
});
