import type { BlockRequest, Completion } from "./request.ts";

/**
 * A device as its driver sees it: requests go in, completions come out, in an order of its own. It is deterministic, and
 * time passes for it only through the calls made here: `now` never goes back.
 */
export interface BlockDevice {
  /** Sectors of 512 bytes. */
  readonly sectors: number;
  /** Requests it takes at once: 1 for a disk without command queueing. */
  readonly depth: number;
  /** Requests it has and has not completed. */
  readonly pending: number;
  /** Hands it a request. There must be room (`pending < depth`), and the sectors must lie within the device. */
  submit(request: BlockRequest, now: number): void;
  /** When it completes the next request, if nothing more is submitted before. Infinity: it has nothing to do. */
  readonly next: number;
  /** Takes the completion that is due at `next`. */
  complete(): Completion;
}

/**
 * A device with an arm, which says how long a request would take to reach its data if it were submitted now; a scheduler that
 * orders by position asks it. It is asked often: no allocation, nothing moves.
 */
export interface PositionedDevice extends BlockDevice {
  readonly cylinders: number;
  cylinderOf(sector: number): number;
  /** Milliseconds of the arm's way over so many cylinders, settling included. */
  seekTime(cylinders: number): number;
  /** Milliseconds until the first sector passes under the head: overhead, seek and rotation, from where the arm is at `now`. */
  positioningTime(sector: number, write: boolean, now: number): number;
  /** The worst of each part of a request, for bounds (systems.md 5.4), in milliseconds. */
  readonly limits: { readonly rotation: number; readonly overhead: number; readonly sectorTransfer: number };
}
