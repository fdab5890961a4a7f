import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { calibrationDisk, HardDisk, parseMeasuredDrive, readDisk, replay } from "../../../src/storage/index.ts";
import { sharedData, withPeers } from "../../peers.ts";
import { request } from "../request.ts";

function serve(disk: HardDisk, now: number, sector: number, sectors: number, write = false): number {
  disk.submit(request(sector, { sectors, write }), now);
  expect(disk.pending).toBe(1);
  const completion = disk.complete();
  expect(completion).toMatchObject({ status: "done", transferred: sectors });
  return completion.at;
}

const PERIOD = 60_000 / 7200;

describe("a disk without a buffer", () => {
  const parameters = calibrationDisk();

  it("takes as long as it says beforehand to reach a sector, and then the time of the sectors", () => {
    const access = fc.record({
      sector: fc.integer({ min: 0, max: 60_000_000 }),
      write: fc.boolean(),
      pause: fc.integer({ max: 40, min: 0 }),
    });
    fc.assert(
      fc.property(fc.array(access, { minLength: 1, maxLength: 20 }), (accesses) => {
        const disk = new HardDisk(parameters);
        let now = 0;
        for (const { sector, write, pause } of accesses) {
          now += pause;
          const place = { cylinder: 0, head: 0, angle: 0 };
          disk.locate(sector, place);
          const reach = disk.reachTime(disk.heads, place, write, disk.freeAt(now));
          const end = serve(disk, now, sector, 1, write);
          expect(end - now).toBeCloseTo(reach + disk.sectorTimeAt(place), 6);
          expect(reach).toBeLessThanOrEqual(0.3 + disk.seekTime(disk.cylinders - 1) + PERIOD);
          now = end;
        }
      }),
    );
  });

  it("waits a turn for the sector that has just passed, for want of the time for a command", () => {
    const disk = new HardDisk(parameters);
    const first = serve(disk, 0, 0, 8);
    const second = serve(disk, first, 8, 8);
    expect(second - first).toBeCloseTo(PERIOD + (8 * PERIOD) / 1057, 6);
  });

  it("loses no turn from track to track of a cylinder, nor from cylinder to cylinder", () => {
    const disk = new HardDisk(parameters);
    const start = serve(disk, 0, 0, 1);
    const cylinder = 12 * 1057;
    const end = serve(disk, start, 0, 2 * cylinder);
    // 24 tracks, the way to the next cylinder, and one turn until the first sector comes again.
    const skew = (290 / 1057) * PERIOD;
    expect(end - start).toBeCloseTo(24 * PERIOD + skew + PERIOD - PERIOD / 1057, 6);
  });
});

describe("the disks that were measured", () => {
  // DiskSim 4.0 reference manual, "Validation": the distance of DiskSim's own model from the measurement, in milliseconds.
  const drives = [
    ["atlas10k", 0.268],
    ["atlas_III", 0.378],
    ["barracuda", 0.349],
    ["cheetah9LP", 0.107],
    ["hp_c2247a", 0.09 * 1.25],
    ["hp_c2490a", 0.254],
    ["ibm18es", 0.135],
  ] as const;
  const folder = "traces/disksim-valid";

  withPeers({ data: `${folder}/barracuda.trace` }).it.each(drives)(
    "%s answers as the real one did, to %f ms of root mean square",
    (name, limit) => {
      const file = sharedData(`${folder}/${name}.trace`);
      const measured = parseMeasuredDrive(readFileSync(file, "utf8"), file);
      expect(replay(readDisk(sharedData(`${folder}/${name}.parv`)), measured).distance).toBeLessThanOrEqual(limit);
    },
  );
});
