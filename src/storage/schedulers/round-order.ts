import { Random } from "../../binary/index.ts";
import type { Place, PositionedDevice } from "../device.ts";
import { SegmentExchange } from "./segment-exchange.ts";

/** Disturbances for each stop: with a quarter of them, one order in ten of 32 stops and more is not the best that more would find. */
const DISTURBANCES_EACH = 40;
/** A disturbed order is followed on while it is at most so much longer than the best: a search that only goes down gets stuck. */
const FOLLOWED = 1.015;

/** A stop of a round: where it begins, and how long its sectors take. */
export interface Stop extends Place {
  readonly request: { readonly write: boolean };
  readonly transfer: number;
}

/**
 * Milliseconds from each stop to each other, row by row: command, seek and rotation. The last row is from where the heads are at `at`. The
 * platters are at the same angle whenever a stop ends, so that the way from it does not depend on what came before.
 */
export function wayTimes(stops: readonly Stop[], device: PositionedDevice, at: number): Float64Array {
  const size = stops.length;
  const times = new Float64Array((size + 1) * size);
  for (let from = 0; from <= size; from++) {
    const stop = stops[from];
    const place = stop ?? device.heads;
    const leaves = stop === undefined ? at : stop.angle * device.rotation + stop.transfer;
    for (let to = 0; to < size; to++)
      times[from * size + to] =
        from === to ? Number.POSITIVE_INFINITY : device.reachTime(place, stops[to]!, stops[to]!.request.write, leaves);
  }
  return times;
}

/**
 * An order of the stops whose way is short: segments are exchanged while that makes it shorter, again and again from orders that are
 * disturbed in one place. The same for the same stops.
 */
export function roundOrder(stops: readonly Stop[], device: PositionedDevice, at: number): number[] {
  const heads = stops.length;
  const tour = new SegmentExchange(closedWays(wayTimes(stops, device, at), heads), heads + 1);
  tour.improve();
  const best = new Int32Array(heads + 1);
  tour.copyTo(best);
  let least = tour.cost;
  const followed = best.slice();
  const random = new Random(heads, "round order");
  for (let turn = 0; turn < DISTURBANCES_EACH * heads; turn++) {
    tour.disturb(random);
    tour.improve();
    const { cost } = tour;
    if (cost < least) {
      least = cost;
      tour.copyTo(best);
    }
    if (cost <= FOLLOWED * least) tour.copyTo(followed);
    else tour.follow(followed);
  }
  const start = best.indexOf(heads);
  return [...best.subarray(start + 1), ...best.subarray(0, start)];
}

/** Milliseconds of an order, transfers not counted. */
export function wayOf(order: readonly number[], times: Float64Array, size: number): number {
  let way = 0;
  let from = size;
  for (const to of order) {
    way += times[from * size + to]!;
    from = to;
  }
  return way;
}

/** The ways as those of a closed tour: where the heads are it begins, and goes back at no cost. */
function closedWays(times: Float64Array, heads: number): Float64Array {
  const size = heads + 1;
  const costs = new Float64Array(size * size);
  for (let from = 0; from < size; from++)
    for (let to = 0; to < heads; to++) costs[from * size + to] = times[from * heads + to]!;
  return costs;
}
