import { Random } from "../../binary/index.ts";
import type { Place, PositionedDevice } from "../device.ts";

/** Improvements are looked for from so many disturbed orders, each from the best so far. */
const DISTURBANCES_EACH = 12;
/** Segments of so many stops are moved as one. */
const LONGEST_SEGMENT = 3;
/** Of so few stops, all orders are tried. */
const ALL_TRIED = 6;

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
 * An order of the stops whose way is short: from the nearest each time, segments are moved to where they cost less until none does (Or-opt),
 * again and again from orders with three parts exchanged. The same for the same stops.
 */
export function roundOrder(stops: readonly Stop[], device: PositionedDevice, at: number): number[] {
  const size = stops.length;
  const times = wayTimes(stops, device, at);
  if (size <= ALL_TRIED) return shortestOfAll(times, size);
  let best = improved(nearestFirst(times, size), times, size);
  let least = wayOf(best, times, size);
  const random = new Random(size, "round order");
  for (let turn = 0; turn < DISTURBANCES_EACH * size; turn++) {
    const order = improved(exchanged(best, random), times, size);
    const way = wayOf(order, times, size);
    if (way >= least) continue;
    least = way;
    best = order;
  }
  return best;
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

function shortestOfAll(times: Float64Array, size: number): number[] {
  let best: number[] = [];
  let least = Number.POSITIVE_INFINITY;
  const order: number[] = [];
  const go = (from: number, way: number): void => {
    if (way >= least) return;
    if (order.length === size) {
      least = way;
      best = [...order];
      return;
    }
    for (let to = 0; to < size; to++) {
      if (order.includes(to)) continue;
      order.push(to);
      go(to, way + times[from * size + to]!);
      order.pop();
    }
  };
  go(size, 0);
  return best;
}

function nearestFirst(times: Float64Array, size: number): number[] {
  const left = new Set(Array.from({ length: size }, (_, stop) => stop));
  const order: number[] = [];
  let from = size;
  while (left.size > 0) {
    let next = -1;
    for (const stop of left) if (next === -1 || times[from * size + stop]! < times[from * size + next]!) next = stop;
    left.delete(next);
    order.push(next);
    from = next;
  }
  return order;
}

function improved(order: number[], times: Float64Array, size: number): number[] {
  const way = (from: number, to: number) => (to === -1 ? 0 : times[from * size + to]!);
  let path = [size, ...order];
  for (let better = true; better; ) {
    better = false;
    for (let length = 1; length <= LONGEST_SEGMENT; length++)
      for (let from = 1; from + length <= path.length; from++) {
        const [before, first, last, after] = [
          path[from - 1]!,
          path[from]!,
          path[from + length - 1]!,
          path[from + length] ?? -1,
        ];
        const saved = way(before, first) + way(last, after) - way(before, after);
        for (let to = 0; to < path.length; to++) {
          if (to >= from - 1 && to < from + length) continue;
          const [left, right] = [path[to]!, path[to + 1] ?? -1];
          if (way(left, first) + way(last, right) - way(left, right) >= saved - 1e-9) continue;
          const segment = path.slice(from, from + length);
          const rest = [...path.slice(0, from), ...path.slice(from + length)];
          const place = rest.indexOf(left) + 1;
          path = [...rest.slice(0, place), ...segment, ...rest.slice(place)];
          better = true;
          break;
        }
      }
  }
  return path.slice(1);
}

/** The two parts in the middle of four exchange their places: the smallest change that moving segments does not undo at once. */
function exchanged(order: readonly number[], random: Random): number[] {
  const cuts = [0, 1, 2].map(() => 1 + random.below(order.length - 1)).toSorted((a, b) => a - b) as [
    number,
    number,
    number,
  ];
  const [a, b, c] = cuts;
  return [...order.slice(0, a), ...order.slice(b, c), ...order.slice(a, b), ...order.slice(c)];
}
