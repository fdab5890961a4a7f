import type { Place, PositionedDevice } from "../device.ts";

/** After a critical request the next is reckoned with for so many milliseconds. */
const EXPECTED_FOR = 2000;
/** Of so many of the last ones the places are remembered. */
const REMEMBERED = 16;
/** The longest that one should take, in times of the longest that it takes on an idle disk. */
const LONGEST = 2.2;

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
  /** Milliseconds that the next should take at most. */
  #longest = 0;

  constructor(device: PositionedDevice) {
    this.#device = device;
  }

  /** One goes to the disk. */
  note({ cylinder }: Readonly<Place>, now: number): void {
    const { limits, rotation } = this.#device;
    this.#until = now + EXPECTED_FOR;
    this.#cylinders.push(cylinder);
    if (this.#cylinders.length > REMEMBERED) this.#cylinders.shift();
    const first = Math.min(...this.#cylinders);
    const last = Math.max(...this.#cylinders);
    this.#middle = (first + last) >> 1;
    this.#longest = LONGEST * (limits.overhead + this.#device.seekTime(last - first) + rotation);
  }

  areExpected(now: number): boolean {
    return now < this.#until;
  }

  /**
   * Milliseconds by which the next could take longer than it should, if it came just after the disk was given a request at `place` whose
   * sectors take `transfer` ms.
   */
  excess({ cylinder }: Readonly<Place>, transfer: number): number {
    const device = this.#device;
    const there = device.seekTime(Math.abs(cylinder - device.heads.cylinder));
    const back = device.seekTime(Math.abs(cylinder - this.#middle));
    return Math.max(0, 2 * device.limits.overhead + there + transfer + back + device.rotation - this.#longest);
  }
}
