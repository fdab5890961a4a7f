import type { BlockRequest, Completion } from "./request.ts";

/**
 * Decides which request a device gets next. The driver calls `take` whenever the device has room: after an arrival, after a
 * completion, and at `wakeAt`. A scheduler knows the time only by these calls, and owns no clock.
 */
export interface Scheduler {
  readonly name: string;
  /** Requests that wait. */
  readonly size: number;
  add(request: BlockRequest, now: number): void;
  /** The request to submit now, which leaves the queue; null: none, though some may wait until `wakeAt`. */
  take(now: number): BlockRequest | null;
  /** When it wants to be asked again although nothing has happened (idle gates, anticipation). Infinity: never. */
  readonly wakeAt: number;
  completed(completion: Completion): void;
}
