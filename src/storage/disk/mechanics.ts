import type { Place } from "../device.ts";
import type { DiskParameters } from "./parameters.ts";
import { seekTable } from "./seek-curve.ts";
import { ZoneMap } from "./zone-map.ts";

/** Milliseconds in which the arm moves and switches heads, in which it waits for the platters, and in which sectors pass that are wanted. */
export interface ArmTimes {
  seek: number;
  rotation: number;
  transfer: number;
}

/**
 * Arm and platters: where the heads are, and how long it takes until sectors have passed under them. Times are milliseconds; the
 * platters turn with the clock, so that the time alone says which sector is under the heads.
 */
export class Mechanics {
  readonly map: ZoneMap;
  /** What it has done so far. */
  readonly spent: ArmTimes = { seek: 0, rotation: 0, transfer: 0 };
  readonly rotation: number;
  /** Where the heads are. The angle counts for nothing. */
  readonly heads: Place = { cylinder: 0, head: 0, angle: 0 };
  readonly #seeks: Float64Array;
  readonly #headSwitch: number;
  readonly #writeSettling: number;

  constructor(disk: DiskParameters) {
    this.map = new ZoneMap(disk);
    this.rotation = disk.rotation;
    this.#seeks = seekTable(disk.seek, disk.cylinders);
    this.#headSwitch = disk.headSwitch;
    this.#writeSettling = disk.writeSettling;
  }

  /** Milliseconds of one sector on the track of the located one. */
  get sectorTime(): number {
    return this.rotation / this.map.sectorsPerTrack;
  }

  /** Milliseconds of the arm's way over so many cylinders. */
  seekTime(cylinders: number): number {
    return this.#seeks[cylinders]!;
  }

  /** Milliseconds from one track to another. */
  moveTime(from: Readonly<Place>, to: Readonly<Place>, write: boolean): number {
    const seek = this.#seeks[Math.abs(to.cylinder - from.cylinder)]!;
    const move = to.head !== from.head && seek < this.#headSwitch ? this.#headSwitch : seek;
    return write && move !== 0 ? move + this.#writeSettling : move;
  }

  /** Milliseconds until the platters bring an angle under heads that are on its track at `at`. */
  rotationTime(angle: number, at: number): number {
    const turns = angle - at / this.rotation;
    const share = turns - Math.floor(turns);
    // A sector that follows on the last one is under the heads now, and not a turn later for want of the last bit.
    return share > 1 - 1e-7 ? 0 : share * this.rotation;
  }

  /** When a sector comes under the heads, which leave for it at `at`. Nothing moves. */
  arrival(sector: number, at: number): number {
    this.map.locate(sector);
    const there = at + this.moveTime(this.heads, this.map, false);
    return there + this.rotationTime(this.map.angle, there);
  }

  /** When the heads are on the track of a sector, having left for it at `at`; they stay there. */
  move(sector: number, at: number): number {
    this.map.locate(sector);
    const move = this.moveTime(this.heads, this.map, false);
    this.heads.cylinder = this.map.cylinder;
    this.heads.head = this.map.head;
    this.spent.seek += move;
    return at + move;
  }

  /**
   * When the last of the sectors has passed, the heads having left for the first at `at`; they stay there. None is taken before
   * `ready`. `anywhere`: a track is taken from wherever the heads come to it.
   */
  pass(sector: number, count: number, write: boolean, at: number, ready = at, anywhere = false): number {
    let time = at;
    let next = sector;
    const end = sector + count;
    while (next < end) {
      this.map.locate(next);
      const move = this.moveTime(this.heads, this.map, write);
      const there = Math.max(time + move, ready);
      this.heads.cylinder = this.map.cylinder;
      this.heads.head = this.map.head;
      const taken = Math.min(this.map.run, end - next);
      const length = (this.map.passing(next, taken) * this.rotation) / this.map.sectorsPerTrack;
      const rotation = this.rotationTime(this.map.angle, there);
      // The heads come down amid the run: what has passed is taken when it comes again.
      const isAmid = anywhere && this.rotation - rotation < length;
      const wait = isAmid ? this.rotation - length : rotation;
      this.spent.seek += move;
      this.spent.rotation += wait;
      this.spent.transfer += length;
      time = isAmid ? there + this.rotation : there + rotation + length;
      next += taken;
    }
    return time;
  }
}
