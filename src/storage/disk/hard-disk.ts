import type { Place, PositionedDevice } from "../device.ts";
import type { BlockRequest, Completion } from "../request.ts";
import { type ArmTimes, Mechanics } from "./mechanics.ts";
import type { DiskParameters } from "./parameters.ts";
import { ReadAhead } from "./read-ahead.ts";
import { Segment } from "./segment.ts";

/**
 * A disk with arm, platters and a segmented buffer, from DiskSim's parameters: it takes one request at a time, reads ahead when it is
 * idle, and, where its firmware does, says that a write is done when it has the data. All that happens to a request is known
 * when it comes, so `submit` computes its end.
 */
export class HardDisk implements PositionedDevice {
  readonly depth = 1;
  readonly sectors: number;
  readonly cylinders: number;
  readonly rotation: number;
  readonly limits: { readonly overhead: number; readonly sectorTransfer: number };
  readonly #disk: DiskParameters;
  readonly #mechanics: Mechanics;
  readonly #segments: readonly Segment[];
  /** Those of them that may be given up for what is read, and for what is written. */
  readonly #forReads: readonly Segment[];
  readonly #forWrites: readonly Segment[];
  readonly #segmentSize: number;
  /** Takes a write's data while the last write is not on the platters yet. */
  readonly #isPrebuffering: boolean;
  readonly #ahead: ReadAhead;
  readonly #isCaching: boolean;
  /** Reads what was written from the buffer. Where writes have a segment of their own, nothing is read from it. */
  readonly #readsWritten: boolean;
  readonly #isFastWriting: boolean;
  readonly #overheads: Float64Array;
  readonly #settling: number;
  readonly #stopsInSector: boolean;
  /** Milliseconds from a write's command to its first data, where the disk leaves the bus to others in between. */
  readonly #reconnection: number;
  readonly #isAsDiskSim: boolean;
  /** Milliseconds until a read's data, and the news of a write, go to the host: DiskSim has them, measured drives have not. */
  readonly #readReselection: number;
  readonly #writeReselection: number;

  #request: BlockRequest | null = null;
  #completesAt = Number.POSITIVE_INFINITY;
  #uses = 0;
  #wasWrite = false;
  /** Behind the last read. */
  #readEnd = -1;
  /** When all that was written is on the platters. */
  #destagedAt = 0;

  constructor(disk: DiskParameters) {
    this.#disk = disk;
    this.#mechanics = new Mechanics(disk);
    const { controller } = disk;
    this.sectors = Math.min(disk.sectors, this.#mechanics.map.sectors);
    this.cylinders = disk.cylinders;
    this.rotation = disk.rotation;
    this.#ahead = new ReadAhead(this.#mechanics, disk, this.sectors);
    this.#isCaching = controller["Enable caching in buffer"] > 0;
    this.#isFastWriting = this.#isCaching && controller["Fast write level"] > 0;
    const [first, ...others] = Array.from({ length: controller["Number of buffer segments"] }, () => new Segment());
    const isSeparate = controller["Use separate write segment"] > 0 && others.length > 0;
    this.#segments = [first!, ...others];
    this.#readsWritten = controller["Allow read hits on write data"] > 0 && !isSeparate;
    this.#forReads = isSeparate ? others : this.#segments;
    this.#forWrites = isSeparate ? [first!] : this.#segments;
    this.#segmentSize = controller["Segment size (in blks)"];
    this.#isPrebuffering =
      controller["Allow write prebuffering"] > 0 && controller["Maximum number of write segments"] > 1;
    this.#overheads = overheadTable(disk);
    this.#settling = disk.settling;
    this.#stopsInSector = controller["Stop prefetch in sector"] > 0;
    this.#reconnection = reconnection(disk);
    this.#isAsDiskSim = disk.rules === "DiskSim";
    const { "First reselect overhead": reselection, "Data preparation overhead": preparation } = disk.overheads;
    this.#readReselection = this.#isAsDiskSim ? reselection + preparation : 0;
    this.#writeReselection = this.#isAsDiskSim ? reselection : 0;
    this.limits = {
      overhead: Math.max(...this.#overheads) + Math.max(0, disk.writeSettling) + disk.headSwitch,
      sectorTransfer: Math.max(disk.rotation / this.#mechanics.map.sparsest, disk.transfer.read, disk.transfer.write),
    };
  }

  get pending(): number {
    return this.#request === null ? 0 : 1;
  }

  get next(): number {
    return this.#completesAt;
  }

  get heads(): Readonly<Place> {
    return this.#mechanics.heads;
  }

  /** What arm and platters did so far, reading ahead and writing behind included. */
  get spent(): Readonly<ArmTimes> {
    return this.#mechanics.spent;
  }

  freeAt(now: number): number {
    return Math.max(now, this.#destagedAt);
  }

  locate(sector: number, place: Place): void {
    const { map } = this.#mechanics;
    map.locate(sector);
    place.cylinder = map.cylinder;
    place.head = map.head;
    place.angle = map.angle;
  }

  seekTime(cylinders: number): number {
    return this.#mechanics.seekTime(cylinders);
  }

  reachTime(from: Readonly<Place>, to: Readonly<Place>, write: boolean, at: number): number {
    const mechanics = this.#mechanics;
    const move = mechanics.moveTime(from, to, write);
    const overhead = this.#overheads[write ? WRITE_MISS : READ_MISS]!;
    const there = overhead + (move < this.#settling ? this.#settling : move);
    return there + mechanics.rotationTime(to.angle, at + there);
  }

  sectorTimeAt(place: Readonly<Place>): number {
    return this.rotation / this.#mechanics.map.sectorsPerTrackAt(place.cylinder);
  }

  submit(request: BlockRequest, now: number): void {
    this.#ahead.advance(now);
    this.#request = request;
    if (request.sectors === 0) this.#completesAt = this.#seek(request, now);
    else this.#completesAt = request.write ? this.#write(request, now) : this.#read(request, now);
    this.#wasWrite = request.write;
  }

  complete(): Completion {
    const request = this.#request!;
    const at = this.#completesAt;
    this.#request = null;
    this.#completesAt = Number.POSITIVE_INFINITY;
    return { request, at, status: "done", transferred: request.sectors };
  }

  #read({ sector, sectors }: BlockRequest, now: number): number {
    const end = sector + sectors;
    const isSequential = sector === this.#readEnd;
    this.#readEnd = end;
    const segment = this.#isCaching ? this.#segmentFor(sector) : null;
    // Where a read that is under way can be stopped at any moment, only the one that still is costs what a read costs to stop.
    const isUndisturbed =
      this.#wasWrite || (!this.#isAsDiskSim && segment === null && this.#stopsInSector && this.#ahead.isDone);
    const commanded = now + this.#overheads[overheadIndex(false, segment !== null, isUndisturbed)]!;
    const { overheads, controller, transfer } = this.#disk;
    const completion = overheads["Read completion overhead"];
    if (segment !== null && end <= segment.end) {
      segment.used = ++this.#uses;
      return commanded + overheads["Data preparation overhead"] + sectors * transfer.read + completion;
    }

    let last: number;
    if (segment !== null && this.#ahead.into(segment)) last = this.#ahead.readTo(end);
    else {
      const missing = segment === null ? sector : segment.end;
      const leaves = Math.max(commanded, this.#destagedAt);
      const anywhere = controller["Immediate buffer read"] > 0;
      last = this.#mechanics.pass(missing, end - missing, false, leaves, leaves + this.#disk.settling, anywhere);
    }
    // The host is sent what there is once so much of the request is in the buffer.
    const share = controller["High (read) water mark"];
    const mark = Math.max(1, Math.floor(Math.min(this.#segmentSize, sectors) * share));
    const marked = Math.max(commanded, last - (sectors - mark) * this.#mechanics.sectorTime);

    const into = segment ?? this.#claim(false);
    if (segment === null) into.first = sector;
    into.end = end;
    into.trim(this.#segmentSize);
    into.used = ++this.#uses;
    if (this.#isCaching) this.#ahead.begin(into, last, isSequential);
    else this.#ahead.stop();
    return Math.max(marked + this.#readReselection + sectors * transfer.read, last + transfer.read) + completion;
  }

  #seek({ sector }: BlockRequest, now: number): number {
    this.#ahead.stop();
    return this.#mechanics.move(sector, Math.max(now + this.#overheads[READ_MISS]!, this.#destagedAt));
  }

  #write({ sector, sectors }: BlockRequest, now: number): number {
    const end = sector + sectors;
    for (const segment of this.#segments)
      if (!segment.isWrite && segment.first < end && segment.end > sector) segment.end = segment.first;
    const appended = this.#isCaching
      ? this.#segments.find((segment) => segment.isWrite && segment.end === sector && segment.first !== sector)
      : undefined;
    const isRoom = this.#destagedAt <= now || this.#isPrebuffering || appended !== undefined;
    const isHit = this.#isFastWriting ? isRoom : appended !== undefined && this.#destagedAt > now;
    const { overheads, controller, transfer } = this.#disk;
    const overhead = this.#isAsDiskSim
      ? overheadIndex(true, this.#isFastWriting, this.#wasWrite)
      : overheadIndex(true, isHit, appended !== undefined);
    const commanded = now + this.#overheads[overhead]!;
    const received = commanded + this.#reconnection + sectors * transfer.write;
    this.#ahead.stop();

    // The heads leave while the data comes. Enough of it must be there before they write, and none may come too late.
    const leaves =
      Math.max(commanded, this.#destagedAt) +
      (this.#wasWrite && appended === undefined ? overheads["Extradisc seek delta"] : 0);
    this.#mechanics.map.locate(sector);
    const streaming = received - (sectors - 1) * this.#mechanics.sectorTime;
    const ready = Math.max(leaves + overheads["Minimum seek delay"], streaming);
    const anywhere = controller["Immediate buffer write"] > 0;
    const last = this.#mechanics.pass(sector, sectors, true, leaves, ready, anywhere);
    const accepted = isRoom ? received : this.#destagedAt + sectors * transfer.write;
    this.#destagedAt = Math.max(last, received);

    const into = appended ?? this.#claim(true);
    if (appended === undefined) into.first = sector;
    into.end = end;
    into.trim(this.#segmentSize);
    into.used = ++this.#uses;
    const done = this.#isFastWriting ? accepted : this.#destagedAt + this.#writeReselection;
    return done + overheads["Write completion overhead"];
  }

  /** The segment in which a read begins: it holds the sector, or is about to. */
  #segmentFor(sector: number): Segment | null {
    for (const segment of this.#segments) {
      if (segment.isWrite && !this.#readsWritten) continue;
      if (segment.holds(sector) || (segment.end === sector && this.#ahead.into(segment) && !this.#ahead.isDone))
        return segment;
    }
    return null;
  }

  /** The segment used longest ago, emptied. */
  #claim(isWrite: boolean): Segment {
    const segments = isWrite ? this.#forWrites : this.#forReads;
    let oldest = segments[0]!;
    for (const segment of segments) if (segment.used < oldest.used) oldest = segment;
    oldest.isWrite = isWrite;
    return oldest;
  }
}

const READ_MISS = 0;
const WRITE_MISS = 4;
const overheadIndex = (write: boolean, hit: boolean, afterWrite: boolean): number =>
  (write ? 4 : 0) + (hit ? 2 : 0) + (afterWrite ? 1 : 0);

function overheadTable({ overheads, controller }: DiskParameters): Float64Array {
  const scale = controller["Time scale for overheads"];
  const table = new Float64Array(8);
  for (const [write, kind] of [
    [false, "Read"],
    [true, "Write"],
  ] as const)
    for (const [hit, how] of [
      [false, "miss"],
      [true, "hit"],
    ] as const)
      for (const [after, before] of [
        [false, "read"],
        [true, "write"],
      ] as const)
        table[overheadIndex(write, hit, after)] =
          controller["Per-request overhead time"] + scale * overheads[`${kind} ${how} over. after ${before}`];
  return table;
}

function reconnection({ overheads, rules }: DiskParameters): number {
  if (rules === "DiskSim") return overheads["Data preparation overhead"];
  const once = overheads["Write disconnect overhead"] + overheads["First reselect overhead"];
  if (overheads["Extra write disconnect"] === 0) return once;
  return (
    once +
    overheads["Other reselect overhead"] +
    overheads["Extradisc disconnect overhead"] +
    overheads["Extradisc inter-disconnect delay"] +
    overheads["Extradisc 2nd disconnect overhead"]
  );
}
