import { Random } from "../../../src/binary/index.ts";
import { type BlockRequest, calibrationDisk, HardDisk, Rounds, serviceBound } from "../../../src/storage/index.ts";

/** Sectors of the largest request. */
const LARGEST = 256;

/**
 * Rounds of 1 to 64 requests on the calibration disk, served to their end: at random places, and evenly spaced with
 * and without noise, which the bound says is the worst; from wherever the heads are. Says how many took longer than their bound.
 */
export function adversarialRounds(count: number, seed: number): { rounds: number; over: number; closest: number } {
  const random = new Random(seed, "rounds");
  const disk = new HardDisk(calibrationDisk());
  const limits = {
    cylinders: disk.cylinders - 1,
    seekTime: (cylinders: number) => disk.seekTime(cylinders),
    rotation: disk.rotation,
    // A transfer may end on the next cylinder, a seek and a turn away.
    transfer: LARGEST * disk.limits.sectorTransfer + disk.seekTime(1) + disk.rotation,
    overhead: disk.limits.overhead,
  };
  let now = 0;
  let over = 0;
  let closest = 0;
  let id = 0;
  for (let round = 0; round < count; round++) {
    const size = 1 + random.below(64);
    const bound = serviceBound(size, limits);
    const scheduler = new Rounds({ size, bound, periodicSlots: size });
    const kind = random.below(3);
    for (let index = 0; index < size; index++) {
      const even = Math.floor(((index + 1) / (size + 1)) * (disk.sectors - LARGEST));
      const noisy = Math.min(disk.sectors - LARGEST, even + random.below(200_000));
      const request: BlockRequest = {
        id: ++id,
        sector: kind === 0 ? random.below(disk.sectors - LARGEST) : kind === 1 ? even : noisy,
        sectors: LARGEST,
        write: random.below(2) === 0,
        arrival: now,
        owner: 0,
        class: "normal",
        deadline: Number.POSITIVE_INFINITY,
      };
      scheduler.add(request);
    }
    const begun = now;
    for (let served = 0; served < size; served++) {
      disk.submit(scheduler.take(now)!, now);
      now = disk.complete().at;
    }
    if (scheduler.rounds !== 1) throw new Error("a round was cut in two");
    const took = now - begun;
    if (took > bound) over++;
    closest = Math.max(closest, took / bound);
    now += random.between(0, 20);
  }
  return { rounds: count, over, closest };
}
