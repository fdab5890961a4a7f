import type { PositionedDevice } from "../device.ts";
import type { BlockRequest } from "../request.ts";
import type { Scheduler } from "../scheduler.ts";
import { Queued } from "./queued.ts";

/** What it costs a policy to let a request go at `at`; of equals the one that came first goes. */
type Cost = (item: Queued, at: number, device: PositionedDevice) => number;

/** The textbooks' policies: each looks at all that waits and takes what costs least. */
export class CostBased implements Scheduler {
  readonly name: string;
  readonly wakeAt = Number.POSITIVE_INFINITY;
  readonly #device: PositionedDevice;
  readonly #cost: Cost;
  readonly #waiting: Queued[] = [];

  constructor(name: string, device: PositionedDevice, cost: Cost) {
    this.name = name;
    this.#device = device;
    this.#cost = cost;
  }

  get size(): number {
    return this.#waiting.length;
  }

  add(request: BlockRequest): void {
    this.#waiting.push(new Queued(request, this.#device));
  }

  take(now: number): BlockRequest | null {
    const waiting = this.#waiting;
    if (waiting.length === 0) return null;
    const at = this.#device.freeAt(now);
    let next = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < waiting.length; index++) {
      const cost = this.#cost(waiting[index]!, at, this.#device);
      if (cost >= least) continue;
      least = cost;
      next = index;
    }
    return waiting.splice(next, 1)[0]!.request;
  }

  completed(): void {}
}

const distance: Cost = (item, _, { heads }) => Math.abs(item.cylinder - heads.cylinder);
/** One way over the disk, and back to the first that waits. */
export const sweep: Cost = (item, _, { heads, cylinders }) =>
  item.cylinder >= heads.cylinder ? item.cylinder - heads.cylinder : item.cylinder - heads.cylinder + cylinders;
const position: Cost = (item, at, device) => device.reachTime(device.heads, item, item.request.write, at);
/** Milliseconds that a millisecond of waiting is worth (Jacobson and Wilkes 1991). */
const AGEING = 0.01;
/** Deadlines within so many milliseconds of one another are one sweep's. */
const BATCH = 50;
/** Milliseconds that count for more than any way on the disk. */
const FIRST = 1e6;
/** A finite deadline for what has none, behind all that have. */
const LAST = 1e12;
const deadline = ({ request }: Queued): number => Math.min(request.deadline, LAST);

/** FCFS, SSTF, SPTF, ASPTF, C-LOOK, EDF and SCAN-EDF (storage.md B3). */
export function textbookSchedulers(device: PositionedDevice): CostBased[] {
  return [
    new CostBased("FCFS", device, ({ request }) => request.id),
    new CostBased("SSTF", device, distance),
    new CostBased("SPTF", device, position),
    new CostBased("ASPTF", device, (item, at) => position(item, at, device) - AGEING * (at - item.request.arrival)),
    new CostBased("C-LOOK", device, sweep),
    new CostBased("EDF", device, (item) => deadline(item)),
    new CostBased(
      "SCAN-EDF",
      device,
      (item, at) => Math.floor(deadline(item) / BATCH) * FIRST + sweep(item, at, device),
    ),
  ];
}
