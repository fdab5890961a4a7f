import type { Place, PositionedDevice } from "../device.ts";
import { HardDisk } from "../disk/hard-disk.ts";
import { sweepShare } from "../schedulers/admission.ts";
import { type Calibration, loadsOf } from "./calibration.ts";
import type { Misses } from "./miss-ratio.ts";
import type { StreamParameters } from "./periodic-streams.ts";
import { type TimedWork, unavoidableMisses } from "./unavoidable-misses.ts";

/** Of a turn, what a stream's request waits in the mean where requests are chosen by position: 1.2 ms at 7200 a minute (storage.md S3). */
const CHOSEN_ROTATION = 0.144;

/**
 * A lower bound of misses: the periods of a calibration's streams that end before its runs do, and how many of them no policy can serve in
 * time, even where the arm is at any place at once and only sectors take their time.
 */
export function leastMisses(calibration: Omit<Calibration, "policy">): Misses {
  const { seed, runs = 1 } = calibration;
  let [periods, missed] = [0, 0];
  for (let run = 0; run < runs; run++) {
    const works = streamTransfers(calibration, seed + run);
    periods += works.length;
    missed += unavoidableMisses(works);
  }
  return { periods, missed };
}

function streamTransfers(calibration: Omit<Calibration, "policy">, seed: number): TimedWork[] {
  const { disk, milliseconds } = calibration;
  const device = new HardDisk(disk);
  const [streams] = loadsOf(calibration, seed, device.sectors);
  const place: Place = { cylinder: 0, head: 0, angle: 0 };
  // What a buffer has read ahead only has to go over the bus.
  const mostSectorTime =
    disk.controller["Enable caching in buffer"] > 0 ? disk.transfer.read : Number.POSITIVE_INFINITY;
  const works: TimedWork[] = [];
  while (streams.next < milliseconds) {
    const { sector, sectors, arrival, deadline } = streams.take();
    if (deadline >= milliseconds) continue;
    device.locate(sector, place);
    works.push({ arrival, deadline, work: sectors * Math.min(device.sectorTimeAt(place), mostSectorTime) });
  }
  return works;
}

/**
 * An estimate of the aperiodic requests a second that leave streams without a miss (storage.md S3): the streams have a sweep a
 * period, and what is left of the time takes requests of so many milliseconds each. 0 where nothing is left.
 */
export function zeroMissCeiling(
  streams: readonly StreamParameters[],
  device: PositionedDevice,
  serviceTime: number,
): number {
  const share = streams.length === 0 ? 0 : sweepShare(streams, device, CHOSEN_ROTATION);
  return (1000 * Math.max(0, 1 - share)) / serviceTime;
}
