import type { Place, PositionedDevice } from "../device.ts";

/** After a critical request the next is reckoned with for so many milliseconds. */
const EXPECTED_FOR = 2000;
/** Of so many of the last ones the places are remembered. */
const REMEMBERED = 16;
/** What one may take, in times of the longest that it takes on an idle disk. */
const ALLOWED = 2;
/** What is reckoned with at first that one may take, in the same times, and between which it stays as experience has it. */
const FIRST_LIMIT = 2.2;
const LEAST_LIMIT = 1.2;
const MOST_LIMIT = 3;
/** By what share the limit falls with each that took too long, and grows with each that did not: it stays where 1 of 251 takes too long. */
const FALL = 0.03;
const GROWTH = FALL / 250;

/**
 * The critical requests that came, and what they say of the next one: it comes soon, and where they lay. Whatever the disk is given until then
 * is under way when it comes, and leaves the arm where it has to come back from.
 */
export class CriticalRequests {
  readonly #device: PositionedDevice;
  readonly #cylinders: number[] = [];
  #until = 0;
  /** The cylinder amid them. */
  #middle = 0;
  /** Milliseconds of the longest on an idle disk. 0: not known yet. */
  #idle = 0;
  /** What is reckoned with that the next may take, in times of that. */
  #limit = FIRST_LIMIT;
  /** When the last one was served. */
  #served = 0;

  constructor(device: PositionedDevice) {
    this.#device = device;
  }

  /** One goes to the disk that came at `arrival` (null: it waited for what nothing is to be learnt from), and is served at `end`. */
  note({ cylinder }: Readonly<Place>, now: number, arrival: number | null, end: number): void {
    if (this.#idle > 0 && arrival !== null && arrival >= this.#served) this.#learn(end - arrival);
    this.#served = end;
    const { limits, rotation } = this.#device;
    this.#until = now + EXPECTED_FOR;
    this.#cylinders.push(cylinder);
    if (this.#cylinders.length > REMEMBERED) this.#cylinders.shift();
    const first = Math.min(...this.#cylinders);
    const last = Math.max(...this.#cylinders);
    this.#middle = (first + last) >> 1;
    this.#idle = limits.overhead + this.#device.seekTime(last - first) + rotation;
  }

  /** One that waited for no other took so many milliseconds. */
  #learn(took: number): void {
    const factor = took > ALLOWED * this.#idle ? 1 - FALL : 1 + GROWTH;
    this.#limit = Math.min(MOST_LIMIT, Math.max(LEAST_LIMIT, this.#limit * factor));
  }

  areExpected(now: number): boolean {
    return now < this.#until;
  }

  /**
   * Milliseconds by which the next could take longer than is reckoned with, if it came just after the disk was given a request at `place` whose
   * sectors take `transfer` ms.
   */
  excess({ cylinder }: Readonly<Place>, transfer: number): number {
    const device = this.#device;
    const there = device.seekTime(Math.abs(cylinder - device.heads.cylinder));
    const back = device.seekTime(Math.abs(cylinder - this.#middle));
    return Math.max(
      0,
      2 * device.limits.overhead + there + transfer + back + device.rotation - this.#limit * this.#idle,
    );
  }
}
