import { describe, expect, it } from "vitest";
import { type BlockRequest, calibrationDisk, cascadedCurves, diagonal, HardDisk } from "../../../src/storage/index.ts";
import { request } from "../request.ts";

const CYLINDER = 12 * 1057;

/** The order in which all go that wait at 0. */
function order(requests: readonly BlockRequest[], now = 0): BlockRequest[] {
  const scheduler = cascadedCurves(new HardDisk(calibrationDisk()));
  for (const one of requests) scheduler.add(one);
  return requests.map(() => scheduler.take(now)!);
}

/** The diagonal curve walked step by step: along a diagonal until the grid ends, one step on, and back. */
function walked(size: number): [number, number][] {
  const cells: [number, number][] = [];
  for (let number = 0; number <= 2 * (size - 1); number++) {
    const cellsOf: [number, number][] = [];
    for (let column = 0; column < size; column++)
      if (number - column >= 0 && number - column < size) cellsOf.push([column, number - column]);
    cells.push(...(number % 2 === 0 ? cellsOf : cellsOf.toReversed()));
  }
  return cells;
}

describe("space-filling curves in cascade", () => {
  it.each([2, 8])("the diagonal curve goes through each cell of a grid of %i once", (size) => {
    expect(walked(size).map(([column, row]) => diagonal(size, column, row))).toEqual(
      Array.from({ length: size ** 2 }, (_, place) => place),
    );
  });

  it("what is as urgent goes in one sweep upwards", () => {
    const requests = [900, 100, 500].map((cylinder) => request(cylinder * CYLINDER));
    expect(order(requests).map(({ sector }) => sector / CYLINDER)).toEqual([100, 500, 900]);
  });

  it("a class above, and a deadline that is closer, both go in a sweep before", () => {
    // Places on the first curve of 8 by 8 cells, of which the first sweep has the lower 32.
    const normal = request(10 * CYLINDER, { deadline: 400 });
    const unhurried = request(20 * CYLINDER);
    const critical = request(4000 * CYLINDER, { class: "critical", deadline: 400 });
    const due = request(5000 * CYLINDER, { deadline: 70 });
    expect([diagonal(8, 3, 6), diagonal(8, 3, 7), diagonal(8, 0, 6), diagonal(8, 3, 1)]).toEqual([47, 49, 21, 13]);
    expect(order([unhurried, normal, due, critical])).toEqual([critical, due, normal, unhurried]);
  });

  it("a write may wait longer than a read, and goes first when it has", () => {
    const read = request(10 * CYLINDER, { arrival: 4900 });
    const write = request(4000 * CYLINDER, { write: true });
    expect(order([write, read], 4990)).toEqual([write, read]);
    expect(order([write, read], 3000)).toEqual([read, write]);
  });

  it("of those on one cylinder, the most urgent goes", () => {
    // Places (1, 0) and (0, 0), 1 and 0: both of the first sweep.
    const late = request(100 * CYLINDER, { class: "high", deadline: 10 });
    const urgent = request(100 * CYLINDER + 8, { class: "critical", deadline: 10 });
    expect(order([late, urgent])).toEqual([urgent, late]);
  });
});
