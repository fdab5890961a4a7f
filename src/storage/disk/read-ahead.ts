import type { Mechanics } from "./mechanics.ts";
import type { DiskParameters } from "./parameters.ts";
import type { Segment } from "./segment.ts";

/** `Buffer continuous read`. */
const KINDS = [
  "none",
  "to the track's end",
  "to the cylinder's end",
  "until the segment is full",
  "when sequential",
] as const;

/** What an idle disk does: reads on behind the last request, into its segment. It happens when somebody looks. */
export class ReadAhead {
  readonly #mechanics: Mechanics;
  readonly #kind: (typeof KINDS)[number];
  readonly #most: number;
  readonly #segmentSize: number;
  readonly #sectors: number;
  /** Reads ahead behind a request that follows on none, where the kind is to do so only behind one that does. */
  readonly #isEager: boolean;
  #segment: Segment | null = null;
  /** When the heads are free for the sector at the segment's end. */
  #at = 0;
  /** The sector before which reading ahead ends. */
  #limit = 0;

  constructor(mechanics: Mechanics, { controller }: DiskParameters, sectors: number) {
    this.#mechanics = mechanics;
    this.#kind = KINDS[controller["Buffer continuous read"]]!;
    this.#segmentSize = controller["Segment size (in blks)"];
    this.#most = Math.min(controller["Maximum read-ahead (blks)"], this.#segmentSize);
    this.#sectors = sectors;
    this.#isEager = controller["Read-ahead over requested"] !== 0 || controller["Read any free blocks"] !== 0;
  }

  into(segment: Segment): boolean {
    return this.#segment === segment;
  }

  get isDone(): boolean {
    return this.#segment === null || this.#segment.end >= this.#limit;
  }

  stop(): void {
    this.#segment = null;
  }

  /** Begins behind a segment's end, where the heads are at `at`. */
  begin(segment: Segment, at: number, isSequential: boolean): void {
    this.#segment = segment;
    this.#at = at;
    this.#limit = Math.min(this.#sectors, segment.end + this.#most, this.#natural(segment.end, isSequential));
  }

  #natural(from: number, isSequential: boolean): number {
    if (from >= this.#sectors) return from;
    switch (this.#kind) {
      case "none":
        return from;
      case "until the segment is full":
        return Number.POSITIVE_INFINITY;
      case "to the track's end":
        return this.#trackEnd(from);
      case "when sequential": {
        if (!isSequential) return this.#isEager ? this.#trackEnd(from) : from;
        const end = this.#trackEnd(from);
        return end < this.#sectors ? this.#trackEnd(end) : end;
      }
      case "to the cylinder's end": {
        const { map } = this.#mechanics;
        const cylinder = map.cylinderOf(from);
        let end = from;
        while (end < this.#sectors && map.cylinderOf(end) === cylinder) end = this.#trackEnd(end);
        return end;
      }
    }
  }

  #trackEnd(sector: number): number {
    this.#mechanics.map.locate(sector);
    return sector + this.#mechanics.map.run;
  }

  /** Brings the segment up to what has been read by `now`. */
  advance(now: number): void {
    const segment = this.#segment;
    if (segment === null) return;
    const { map, rotation } = this.#mechanics;
    while (segment.end < this.#limit) {
      const starts = this.#mechanics.arrival(segment.end, this.#at);
      const sectorTime = rotation / map.sectorsPerTrack;
      const passed = Math.floor((now - starts) / sectorTime + 1e-9);
      if (passed <= 0) break;
      const count = Math.min(map.run, this.#limit - segment.end, passed);
      this.#at = this.#mechanics.pass(segment.end, count, false, this.#at);
      segment.end += count;
      if (passed <= count) break;
    }
    segment.trim(this.#segmentSize);
  }

  /** Reads on to before `end` without a stop; says when its last sector has passed. */
  readTo(end: number): number {
    const segment = this.#segment!;
    this.#at = this.#mechanics.pass(segment.end, end - segment.end, false, this.#at);
    segment.end = end;
    return this.#at;
  }
}
