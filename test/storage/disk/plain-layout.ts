import type { DiskParameters, ZoneParameters } from "../../../src/storage/index.ts";

/** Where a sector lies, found by laying out all sectors one by one. */
export interface PlainPlace {
  readonly cylinder: number;
  readonly surface: number;
  readonly onTrack: number;
  readonly sectorsPerTrack: number;
}

type Geometry = Pick<DiskParameters, "surfaces" | "layout">;

/** The slow twin of `ZoneMap`: the places of all sectors of a disk, in order, as the words of DiskSim's manual have it. */
export const plainLayout = (disk: Geometry): PlainPlace[] => disk.layout.zones.flatMap((zone) => placesOf(zone, disk));

function placesOf(zone: ZoneParameters, { surfaces, layout }: Geometry): PlainPlace[] {
  const { sparing, rangeCylinders } = layout;
  const perTrack = zone.sectorsPerTrack;
  const tracks = (zone.lastCylinder - zone.firstCylinder + 1) * surfaces;
  const physical = tracks * perTrack;
  const slipSize = sparing.slips === "tracks" ? perTrack : 1;
  const unit =
    { track: 1, cylinder: surfaces, range: surfaces * rangeCylinders, zone: tracks }[sparing.unit] * perTrack;
  const isSlipped = new Set(
    zone.slips.flatMap((slip) => Array.from({ length: slipSize }, (_, at) => slip * slipSize + at)),
  );

  const places: number[] = [];
  for (let start = 0; start < physical; start += unit) {
    const size = Math.min(unit, physical - start);
    const spares = Math.min(zone.spares * slipSize, unit);
    const data = size - spares;
    const slipped = Array.from({ length: size }, (_, at) => start + at).filter((at) => isSlipped.has(at)).length;
    // Spares at the front: the unit's data ends with the unit, and begins the earlier the more is left out.
    const from = sparing.atFront ? start + spares - (sparing.toEnd ? 0 : slipped) : start;
    if (sparing.toEnd) {
      for (let at = 0; at < data; at++) if (!isSlipped.has(from + at)) places.push(from + at);
    } else {
      // A slip takes one of the unit's spares.
      let left = data;
      for (let at = from; left > 0; at++) {
        if (isSlipped.has(at)) continue;
        places.push(at);
        left--;
      }
    }
  }
  return places.slice(zone.emptySectors).map((place) => {
    const track = Math.floor(place / perTrack);
    return {
      cylinder: zone.firstCylinder + Math.floor(track / surfaces),
      surface: track % surfaces,
      onTrack: place % perTrack,
      sectorsPerTrack: perTrack,
    };
  });
}
