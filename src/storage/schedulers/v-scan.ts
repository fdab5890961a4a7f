import type { PositionedDevice } from "../device.ts";
import type { BlockRequest } from "../request.ts";
import type { Scheduler } from "../scheduler.ts";
import { Queued } from "./queued.ts";

/**
 * V(R) of Geist and Daniel ("A continuum of disk scheduling algorithms", 1987): the nearest goes, where what lies against the direction in
 * which the arm moved last counts as farther by R of the disk's cylinders. V(0) is SSTF, and V(1) is SCAN, which turns at the
 * last request. Of equals the one that came first goes.
 */
export class VScan implements Scheduler {
  readonly name: string;
  readonly wakeAt = Number.POSITIVE_INFINITY;
  readonly #device: PositionedDevice;
  /** Cylinders. */
  readonly #penalty: number;
  readonly #waiting: Queued[] = [];
  #isUpward = true;

  constructor(bias: number, device: PositionedDevice) {
    this.name = `VSCAN(${bias})`;
    this.#device = device;
    this.#penalty = bias * device.cylinders;
  }

  get size(): number {
    return this.#waiting.length;
  }

  add(request: BlockRequest): void {
    this.#waiting.push(new Queued(request, this.#device));
  }

  take(): BlockRequest | null {
    const waiting = this.#waiting;
    if (waiting.length === 0) return null;
    const { cylinder } = this.#device.heads;
    let next = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < waiting.length; index++) {
      const way = waiting[index]!.cylinder - cylinder;
      const isBehind = this.#isUpward ? way < 0 : way > 0;
      const distance = Math.abs(way) + (isBehind ? this.#penalty : 0);
      if (distance >= least) continue;
      least = distance;
      next = index;
    }
    const [item] = waiting.splice(next, 1) as [Queued];
    if (item.cylinder !== cylinder) this.#isUpward = item.cylinder > cylinder;
    return item.request;
  }

  completed(): void {}
}
