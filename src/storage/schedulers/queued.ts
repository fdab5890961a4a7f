import type { Place, PositionedDevice } from "../device.ts";
import type { BlockRequest } from "../request.ts";

/** A request that waits, and what a scheduler needs to know of its place again and again. */
export class Queued implements Place {
  readonly request: BlockRequest;
  readonly sector: number;
  readonly arrival: number;
  readonly deadline: number;
  /** Milliseconds from arrival to deadline. */
  readonly period: number;
  readonly end: number;
  cylinder = 0;
  head = 0;
  angle = 0;
  /** Milliseconds until all of its sectors have passed. */
  readonly transfer: number;

  constructor(request: BlockRequest, device: PositionedDevice) {
    this.request = request;
    this.sector = request.sector;
    this.arrival = request.arrival;
    this.deadline = request.deadline;
    this.period = request.deadline - request.arrival;
    this.end = request.sector + request.sectors;
    device.locate(request.sector, this);
    this.transfer = request.sectors * device.sectorTimeAt(this);
  }
}
