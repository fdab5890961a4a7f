import { calibrationDisk, HardDisk } from "../../../src/storage/index.ts";
import { orderedRound } from "../../storage/schedulers/ordered-round.ts";
import { ShortestWay } from "../../storage/schedulers/shortest-way.ts";

/** Nodes of the search for the best order, until only its bound is taken. */
const MOST_NODES = 1000;

/** Quotients of ways, less one. */
export interface Excess {
  readonly worst: number;
  readonly mean: number;
}

/** How far the orders of rounds are above what is possible, of those whose best order was found and of all. */
export interface RoundOrders {
  readonly solved: number;
  readonly aboveBest: Excess;
  readonly aboveAssignment: Excess;
  readonly bestAboveAssignment: Excess;
  /** Above the assignment bound raised, where the best order was not found. */
  readonly aboveLower: Excess;
}

export function roundOrders(sizes: readonly number[], seeds: number): RoundOrders {
  const disk = new HardDisk(calibrationDisk());
  const aboveBest: number[] = [];
  const aboveAssignment: number[] = [];
  const bestAboveAssignment: number[] = [];
  const aboveLower: number[] = [];
  for (const size of sizes)
    for (let seed = 0; seed < seeds; seed++) {
      const { times, way } = orderedRound(disk, size, seed);
      const { assignment, lower, least } = new ShortestWay(times, size, disk.rotation, way, MOST_NODES);
      aboveAssignment.push(way / assignment - 1);
      if (least === null) {
        aboveLower.push(way / lower - 1);
        continue;
      }
      aboveBest.push(way / least - 1);
      bestAboveAssignment.push(least / assignment - 1);
    }
  return {
    solved: aboveBest.length,
    aboveBest: excess(aboveBest),
    aboveAssignment: excess(aboveAssignment),
    bestAboveAssignment: excess(bestAboveAssignment),
    aboveLower: excess(aboveLower),
  };
}

function excess(all: readonly number[]): Excess {
  return { worst: Math.max(0, ...all), mean: all.reduce((sum, one) => sum + one, 0) / Math.max(1, all.length) };
}
