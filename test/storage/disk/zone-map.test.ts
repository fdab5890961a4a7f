import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ZoneMap } from "../../../src/storage/disk/zone-map.ts";
import { type DiskParameters, SPARING } from "../../../src/storage/index.ts";
import { type PlainPlace, plainLayout } from "./plain-layout.ts";

type Geometry = Pick<DiskParameters, "surfaces" | "layout">;

/** Small disks of all sparing schemes, with spares enough for their slips, none of them in what is spared. */
const geometry: fc.Arbitrary<Geometry> = fc
  .record({
    surfaces: fc.integer({ min: 1, max: 4 }),
    scheme: fc.constantFrom(...(Object.keys(SPARING) as unknown as (keyof typeof SPARING)[])),
    mapping: fc.integer({ min: 0, max: 2 }),
    rangeCylinders: fc.integer({ min: 1, max: 3 }),
    zones: fc.array(
      fc.record({
        cylinders: fc.integer({ min: 2, max: 6 }),
        sectorsPerTrack: fc.integer({ min: 8, max: 20 }),
        emptySectors: fc.integer({ min: 0, max: 5 }),
        seeds: fc.array(fc.nat(), { maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  })
  .map(({ surfaces, scheme, mapping, rangeCylinders, zones }) => {
    const sparing = SPARING[scheme];
    let first = 0;
    const made = zones.map(({ cylinders, sectorsPerTrack, emptySectors, seeds }) => {
      const rounded = sparing.unit === "range" ? Math.ceil(cylinders / rangeCylinders) * rangeCylinders : cylinders;
      const spares = sparing.slips === "tracks" ? 1 : 3;
      const tracks = rounded * surfaces;
      const unitTracks = { track: 1, cylinder: surfaces, range: surfaces * rangeCylinders, zone: tracks }[sparing.unit];
      const isWholeTracks = sparing.slips === "tracks";
      const perUnit = isWholeTracks ? unitTracks : unitTracks * sectorsPerTrack;
      const front = "atFront" in sparing ? spares : 0;
      const room = perUnit - spares;
      const units = tracks / unitTracks;
      const slips = [
        ...new Set(seeds.map((seed) => (seed % units) * perUnit + front + (Math.floor(seed / units) % room))),
      ];
      const zone = {
        firstCylinder: first,
        lastCylinder: first + rounded - 1,
        sectorsPerTrack,
        firstSectorOffset: 0,
        emptySectors,
        trackSkew: 0,
        cylinderSkew: 0,
        // Nothing is left out where there is no room to keep it.
        spares: room < 2 ? 0 : spares,
        slips:
          room < 2 && !sparing.toEnd ? [] : (isWholeTracks ? slips.slice(0, spares) : slips).toSorted((a, b) => a - b),
        remapped: [],
      };
      first += rounded;
      return zone;
    });
    return { surfaces, layout: { mapping, sparing, rangeCylinders, zones: made } };
  });

const runsOf = (places: readonly PlainPlace[], sector: number): number => {
  const isOnTrack = (place: PlainPlace | undefined) =>
    place?.cylinder === places[sector]!.cylinder && place.surface === places[sector]!.surface;
  let run = 1;
  while (isOnTrack(places[sector + run])) run++;
  return run;
};

describe("sectors of a disk with zones, spares and slips", () => {
  it("lie where they lie when all are laid out one by one, on every sparing scheme", () => {
    fc.assert(
      fc.property(geometry, (disk) => {
        const map = new ZoneMap(disk);
        const places = plainLayout(disk);
        expect(map.sectors).toBe(places.length);
        for (const [sector, place] of places.entries()) {
          map.locate(sector);
          const zone = disk.layout.zones.findLast(({ firstCylinder }) => firstCylinder <= place.cylinder)!;
          const odd =
            disk.layout.mapping === 1
              ? place.cylinder - zone.firstCylinder
              : disk.layout.mapping === 2
                ? place.cylinder
                : 0;
          const head = odd % 2 === 1 ? disk.surfaces - 1 - place.surface : place.surface;
          expect(map).toMatchObject({ cylinder: place.cylinder, head, sectorsPerTrack: place.sectorsPerTrack });
          expect(map.cylinderOf(sector)).toBe(place.cylinder);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("follow one another to the end of the track, with what is left out between them", () => {
    fc.assert(
      fc.property(geometry, (disk) => {
        const map = new ZoneMap(disk);
        const places = plainLayout(disk);
        for (const [sector, place] of places.entries()) {
          map.locate(sector);
          const run = runsOf(places, sector);
          expect(map.run).toBe(run);
          expect(map.passing(sector, run)).toBe(places[sector + run - 1]!.onTrack - place.onTrack + 1);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("are pushed on by skew: from track to track, and from cylinder to cylinder", () => {
    const map = new ZoneMap({
      surfaces: 2,
      layout: {
        mapping: 0,
        sparing: SPARING[0],
        rangeCylinders: 1,
        zones: [
          {
            firstCylinder: 0,
            lastCylinder: 3,
            sectorsPerTrack: 10,
            firstSectorOffset: 1,
            emptySectors: 0,
            trackSkew: 2,
            cylinderSkew: 3,
            spares: 0,
            slips: [],
            remapped: [],
          },
        ],
      },
    });
    const angles = [0, 10, 20, 30].map((sector) => {
      map.locate(sector);
      return Math.round(map.angle * 10);
    });
    expect(angles).toEqual([1, 3, 6, 8]);
  });
});
