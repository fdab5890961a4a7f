import { Random } from "../../../src/binary/index.ts";
import { type HardDisk, roundOrder, type Stop, wayOf, wayTimes } from "../../../src/storage/index.ts";

/** Stops at random all over a disk, the ways between them, and the order that they are given with its way in milliseconds. */
export interface OrderedRound {
  readonly times: Float64Array;
  readonly order: readonly number[];
  readonly way: number;
}

export function orderedRound(disk: HardDisk, count: number, seed: number): OrderedRound {
  const random = new Random(seed, "stops");
  const stops = Array.from({ length: count }, (): Stop => {
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
  const at = random.between(0, 100);
  const times = wayTimes(stops, disk, at);
  const order = roundOrder(stops, disk, at);
  return { times, order, way: wayOf(order, times, count) };
}
