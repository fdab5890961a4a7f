import type { DiskParameters, ZoneParameters } from "./parameters.ts";

/** Where sectors lie. Made once, used at every access: `locate` fills the fields of the map itself, and allocates nothing. */
export class ZoneMap {
  readonly #zones: readonly Zone[];
  readonly #surfaces: number;
  readonly #mapping: number;
  #last: Zone;

  /** Of the sector located last. */
  cylinder = 0;
  head = 0;
  /** Where on its track it begins, in revolutions from the index mark: 0 to 1, beyond it by skew. */
  angle = 0;
  sectorsPerTrack = 1;
  /** Sectors from it to the end of the data on its track, itself among them, and the physical ones that pass by meanwhile. */
  run = 0;
  #physical = 0;

  constructor(disk: Pick<DiskParameters, "surfaces" | "layout">) {
    this.#surfaces = disk.surfaces;
    this.#mapping = disk.layout.mapping;
    const zones: Zone[] = [];
    let first = 0;
    for (const parameters of disk.layout.zones) {
      const zone = new Zone(parameters, disk, first);
      zones.push(zone);
      first += zone.sectors;
    }
    this.#zones = zones;
    this.#last = zones[0]!;
  }

  /** Sectors that hold data. */
  get sectors(): number {
    const last = this.#zones.at(-1)!;
    return last.first + last.sectors;
  }

  /** The smallest number of sectors on a track. */
  get sparsest(): number {
    return Math.min(...this.#zones.map((zone) => zone.sectorsPerTrack));
  }

  sectorsPerTrackAt(cylinder: number): number {
    let zone = this.#zones.length - 1;
    while (this.#zones[zone]!.firstCylinder > cylinder) zone--;
    return this.#zones[zone]!.sectorsPerTrack;
  }

  cylinderOf(sector: number): number {
    const zone = this.#zoneOf(sector);
    return zone.firstCylinder + Math.floor(zone.physicalOf(sector) / (zone.sectorsPerTrack * this.#surfaces));
  }

  locate(sector: number): void {
    const zone = this.#zoneOf(sector);
    const physical = zone.physicalOf(sector);
    const perTrack = zone.sectorsPerTrack;
    const track = Math.floor(physical / perTrack);
    const cylinder = Math.floor(track / this.#surfaces);
    const surface = track - cylinder * this.#surfaces;
    const onTrack = physical - track * perTrack;
    this.cylinder = zone.firstCylinder + cylinder;
    const isBackwards = (this.#mapping === 1 && cylinder % 2 === 1) || (this.#mapping === 2 && this.cylinder % 2 === 1);
    this.head = isBackwards ? this.#surfaces - 1 - surface : surface;
    this.sectorsPerTrack = perTrack;
    const angle = zone.angleOf(cylinder, surface) + onTrack / perTrack;
    this.angle = angle - Math.floor(angle);
    this.#physical = physical;
    this.run = zone.runOf(sector, physical, perTrack - onTrack);
  }

  /**
   * Physical sectors that pass under the head while `count` (at most `run`) sectors from the located one `sector` are transferred: as many, and
   * those left out between them.
   */
  passing(sector: number, count: number): number {
    if (count === 1) return 1;
    return this.#last.physicalOf(sector + count - 1) - this.#physical + 1;
  }

  #zoneOf(sector: number): Zone {
    const last = this.#last;
    if (sector >= last.first && sector < last.end) return last;
    const zones = this.#zones;
    let low = 0;
    let high = zones.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (zones[middle]!.first <= sector) low = middle;
      else high = middle - 1;
    }
    this.#last = zones[low]!;
    return this.#last;
  }
}

/**
 * One zone: tracks of equal length. Data fills units (a track, a cylinder, a range of them, the whole zone) up to their spares;
 * a defect pushes the data behind it on by one place (a slip), to the unit's spares or to the zone's end.
 */
class Zone {
  readonly first: number;
  readonly end: number;
  readonly sectors: number;
  readonly firstCylinder: number;
  readonly sectorsPerTrack: number;
  readonly #surfaces: number;
  readonly #empty: number;
  readonly #unit: number;
  readonly #data: number;
  readonly #front: number;
  /** Places that one slip takes. */
  readonly #slipSize: number;
  /** For each slip, in order, the data place from which on it pushes. */
  readonly #slips: Float64Array;
  /** For each unit, its first slip; null where slips push to the zone's end. */
  readonly #slipsOfUnit: Int32Array | null;
  readonly #remapped: ReadonlyMap<number, number>;
  /** Revolutions. */
  readonly #firstAngle: number;
  readonly #trackSkew: number;
  readonly #cylinderSkew: number;
  /** Slips before each cylinder, by which the skew moves on too; null where it does not. */
  readonly #skewSlips: Int32Array | null;

  constructor(zone: ZoneParameters, disk: Pick<DiskParameters, "surfaces" | "layout">, first: number) {
    const { sparing, rangeCylinders } = disk.layout;
    const cylinders = zone.lastCylinder - zone.firstCylinder + 1;
    const perCylinder = zone.sectorsPerTrack * disk.surfaces;
    const physical = cylinders * perCylinder;
    this.sectorsPerTrack = zone.sectorsPerTrack;
    this.firstCylinder = zone.firstCylinder;
    this.#surfaces = disk.surfaces;
    this.#empty = zone.emptySectors;
    this.#slipSize = sparing.slips === "tracks" ? zone.sectorsPerTrack : 1;
    this.#unit = {
      track: zone.sectorsPerTrack,
      cylinder: perCylinder,
      range: perCylinder * rangeCylinders,
      zone: physical,
    }[sparing.unit];
    const spares = Math.min(zone.spares * this.#slipSize, this.#unit);
    this.#data = this.#unit - spares;
    this.#front = sparing.atFront ? spares : 0;

    const units = Math.ceil(physical / this.#unit);
    const lastUnit = physical - (units - 1) * this.#unit;
    const places = (units - 1) * this.#data + Math.max(0, lastUnit - spares);
    this.sectors = Math.max(0, places - zone.emptySectors - (sparing.toEnd ? zone.slips.length : 0));
    this.first = first;
    this.end = first + this.sectors;

    const unitOf = zone.slips.map((slip) => Math.floor((slip * this.#slipSize) / this.#unit));
    this.#slipsOfUnit = sparing.toEnd
      ? null
      : Int32Array.from({ length: units + 1 }, (_, unit) => unitOf.filter((of) => of < unit).length);
    this.#slips = Float64Array.from(zone.slips, (slip, index) => {
      const unit = unitOf[index]!;
      const inUnit = slip * this.#slipSize - unit * this.#unit - this.#frontOf(unit);
      if (this.#slipsOfUnit === null) return unit * this.#data + inUnit - index;
      return inUnit - (index - this.#slipsOfUnit[unit]!) * this.#slipSize;
    });
    this.#remapped = new Map(
      pairs(zone.remapped).map(([defect, place]) => [defect * this.#slipSize, place * this.#slipSize]),
    );
    this.#firstAngle = zone.firstSectorOffset / zone.sectorsPerTrack;
    this.#trackSkew = zone.trackSkew / zone.sectorsPerTrack;
    this.#cylinderSkew = zone.cylinderSkew / zone.sectorsPerTrack;
    this.#skewSlips =
      sparing.unit === "cylinder" && zone.slips.length > 0
        ? Int32Array.from({ length: cylinders }, (_, at) => zone.slips.filter((slip) => slip < at * perCylinder).length)
        : null;
  }

  /** The place of a sector of this zone, counted in physical sectors from the zone's front. */
  physicalOf(sector: number): number {
    const place = this.#slipped(sector - this.first + this.#empty);
    if (this.#remapped.size === 0) return place;
    const base = place - (place % this.#slipSize);
    const other = this.#remapped.get(base);
    return other === undefined ? place : other + (place - base);
  }

  #slipped(data: number): number {
    if (this.#slipsOfUnit === null) {
      const pushed = data + this.#countUpTo(data, 0, this.#slips.length);
      const unit = Math.floor(pushed / this.#data);
      return unit * this.#unit + this.#front + (pushed - unit * this.#data);
    }
    const unit = Math.floor(data / this.#data);
    const rest = data - unit * this.#data;
    const from = this.#slipsOfUnit[unit]!;
    const slips = this.#countUpTo(rest, from, this.#slipsOfUnit[unit + 1]!) * this.#slipSize;
    return unit * this.#unit + this.#frontOf(unit) + rest + slips;
  }

  /** Spares before a unit's data: each slip in the unit has used one. */
  #frontOf(unit: number): number {
    if (this.#front === 0 || this.#slipsOfUnit === null) return this.#front;
    return this.#front - (this.#slipsOfUnit[unit + 1]! - this.#slipsOfUnit[unit]!);
  }

  /** Slips of those from `from` to before `to` that push a data place. */
  #countUpTo(place: number, from: number, to: number): number {
    let low = from;
    let high = to;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#slips[middle]! <= place) low = middle + 1;
      else high = middle;
    }
    return low - from;
  }

  /** Revolutions by which the first sector of a track lies behind the index mark. */
  angleOf(cylinder: number, surface: number): number {
    const skew = (surface + (this.#surfaces - 1) * cylinder) * this.#trackSkew + cylinder * this.#cylinderSkew;
    const slips = this.#skewSlips === null ? 0 : this.#skewSlips[cylinder]! / this.sectorsPerTrack;
    return this.#firstAngle + skew + slips;
  }

  /** Data sectors from one to its track's end, where `room` physical ones are left: the last whose place still lies on the track. */
  runOf(sector: number, physical: number, room: number): number {
    if (this.#remapped.size > 0) return 1;
    const most = Math.min(room, this.end - sector);
    if (this.#slips.length === 0 && this.#unit === this.#data) return most;
    // Slips and spares only push on: where the last of a run still lies on the track, so do all before it.
    let low = 1;
    let high = most;
    while (low < high) {
      const run = low === 1 && high === most ? most : (low + high + 1) >> 1;
      if (this.physicalOf(sector + run - 1) - physical < room) low = run;
      else high = run - 1;
    }
    return low;
  }
}

function pairs(flat: readonly number[]): [number, number][] {
  return Array.from({ length: flat.length >> 1 }, (_, index) => [flat[2 * index]!, flat[2 * index + 1]!]);
}
