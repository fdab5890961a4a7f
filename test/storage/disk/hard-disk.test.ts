import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  calibrationDisk,
  type DiskParameters,
  HardDisk,
  parseMeasuredDrive,
  readDisk,
  replay,
  underDiskSimRules,
} from "../../../src/storage/index.ts";
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

  it("moves its arm to a sector, and no platter is waited for", () => {
    const disk = new HardDisk(parameters);
    const end = serve(disk, 5, 31_000_000, 0);
    const place = { cylinder: 0, head: 0, angle: 0 };
    disk.locate(31_000_000, place);
    expect(end - 5).toBeCloseTo(0.3 + disk.seekTime(place.cylinder), 9);
    expect(disk.heads).toMatchObject({ cylinder: place.cylinder, head: place.head });
    expect(disk.spent).toEqual({ seek: disk.seekTime(place.cylinder), rotation: 0, transfer: 0 });
  });

  it("has spent all of its time but commands and pauses on seeks, on turns and on sectors", () => {
    const disk = new HardDisk(parameters);
    const random = [0, 31_000_000, 31_000_900, 4_000, 59_000_000, 59_000_008];
    let now = 0;
    let busy = 0;
    for (const [turn, sector] of random.entries()) {
      const from = { ...disk.heads };
      const seek = disk.spent.seek;
      const end = serve(disk, now, sector, 3000 * turn + 1);
      busy += end - now - disk.limits.overhead;
      const place = { cylinder: 0, head: 0, angle: 0 };
      disk.locate(sector, place);
      expect(disk.spent.seek - seek).toBeGreaterThanOrEqual(
        disk.seekTime(Math.abs(place.cylinder - from.cylinder)) - 1e-9,
      );
      now = end + 3;
    }
    const { seek, rotation, transfer } = disk.spent;
    expect(seek + rotation + transfer).toBeCloseTo(busy, 6);
    expect(transfer).toBeGreaterThan((45_000 * PERIOD) / 1100);
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

describe("a disk with a buffer", () => {
  const plain = calibrationDisk();
  const disk = (controller: Partial<DiskParameters["controller"]>, transfer = plain.transfer) => ({
    ...plain,
    transfer,
    controller: {
      ...plain.controller,
      ...{ "Enable caching in buffer": 1, "Number of buffer segments": 2, "Segment size (in blks)": 64 },
      ...{ "Allow read hits on write data": 1, ...controller },
    },
  });
  /** Milliseconds of the last of these requests, each made when the one before is done. */
  const last = (
    parameters: DiskParameters,
    requests: readonly { sector: number; sectors: number; write?: boolean }[],
  ) => {
    const device = new HardDisk(parameters);
    let before = 0;
    let now = 0;
    for (const { sector, sectors, write } of requests) {
      before = now;
      now = serve(device, now, sector, sectors, write);
    }
    return now - before;
  };
  const here = { sector: 0, sectors: 8 };
  const there = { sector: 1_000_000, sectors: 8 };
  /** The command alone. */
  const AT_ONCE = 0.3 + 1e-9;

  it("reads what was read from all segments, or from those that are not for writes", () => {
    const shared = disk({ "Use separate write segment": 0 });
    const separate = disk({ "Use separate write segment": 1 });
    expect(last(shared, [here, there, here])).toBeLessThanOrEqual(AT_ONCE);
    expect(last(separate, [here, here])).toBeLessThanOrEqual(AT_ONCE);
    expect(last(separate, [here, there, here])).toBeGreaterThan(1);
  });

  it("reads what was written, but not where writes have a segment of their own", () => {
    const written = { ...here, write: true };
    expect(last(disk({}), [written, here])).toBeLessThanOrEqual(AT_ONCE);
    expect(last(disk({ "Allow read hits on write data": 0 }), [written, here])).toBeGreaterThan(1);
    expect(last(disk({ "Use separate write segment": 1 }), [written, here])).toBeGreaterThan(1);
  });

  it("begins to send when a share of the request is in the buffer, the last part of a sector not counted", () => {
    const sectorTime = PERIOD / 1057;
    const slow = { read: 1, write: 1 };
    const time = (share: number) => last(disk({ "High (read) water mark": share }, slow), [{ sector: 0, sectors: 5 }]);
    // Of five sectors, 0.75 are three and a part.
    expect(time(0.75)).toBe(time(0.6));
    expect(time(0.8) - time(0.75)).toBeCloseTo(sectorTime, 6);
    expect(time(1) - time(0)).toBeCloseTo(4 * sectorTime, 6);
  });

  it("takes in a write while the last is on its way to the platters only where it may", () => {
    const fast = { "Fast write level": 2, "Maximum number of write segments": 2 };
    const writes = [
      { ...here, write: true },
      { ...there, write: true },
    ];
    expect(last(disk({ ...fast, "Allow write prebuffering": 1 }), writes)).toBeLessThanOrEqual(AT_ONCE);
    expect(last(disk({ ...fast, "Allow write prebuffering": 0 }), writes)).toBeGreaterThan(1);
  });

  it("takes the bus's selection into account under DiskSim's rules alone", () => {
    const overheads = { ...plain.overheads, "First reselect overhead": 0.2, "Data preparation overhead": 0.05 };
    const measured = { ...disk({ "High (read) water mark": 1 }), overheads };
    const reads = [here];
    const writes = [{ ...here, write: true }];
    // A read ends by so much later; a write is told of later, though it begins by so much earlier.
    expect(last(underDiskSimRules(measured), reads) - last(measured, reads)).toBeCloseTo(0.25, 9);
    expect(last(underDiskSimRules(measured), writes)).not.toBe(last(measured, writes));
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
