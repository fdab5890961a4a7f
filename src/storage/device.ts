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

/** A place on a disk with an arm: where the heads have to be, and when the platters bring it to them. */
export interface Place {
  cylinder: number;
  head: number;
  /** Revolutions from the index mark, below 1. */
  angle: number;
}

/**
 * A device with an arm, which says how long a request would take to reach its data; a scheduler that orders by position asks
 * it. It is asked often: no allocation, nothing moves.
 */
export interface PositionedDevice extends BlockDevice {
  readonly cylinders: number;
  /** Milliseconds of a revolution. */
  readonly rotation: number;
  /** Where the heads will be when the device has done all that it was given. */
  readonly heads: Readonly<Place>;
  /** When the heads are free for another request that is submitted at `now`. */
  freeAt(now: number): number;
  /** Fills in where a sector lies. */
  locate(sector: number, place: Place): void;
  /** Milliseconds of the arm's way over so many cylinders, settling included. */
  seekTime(cylinders: number): number;
  /**
   * Milliseconds from a command, given with the heads at `from`, until the platters have brought `to` under them: overhead, seek and
   * rotation.
   */
  reachTime(from: Readonly<Place>, to: Readonly<Place>, write: boolean, at: number): number;
  /** Milliseconds of a sector under the heads on the track of `place`. */
  sectorTimeAt(place: Readonly<Place>): number;
  /** The worst of each part of a request, for bounds (systems.md 5.4), in milliseconds. */
  readonly limits: { readonly overhead: number; readonly sectorTransfer: number };
}
