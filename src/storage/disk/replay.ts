import type { MeasuredRequest } from "../traces/measured-drive.ts";
import { HardDisk } from "./hard-disk.ts";
import type { DiskParameters } from "./parameters.ts";

export interface Replay {
  readonly requests: number;
  /** Milliseconds, measured and simulated. */
  readonly meanMeasured: number;
  readonly meanSimulated: number;
  /** Root mean square of the horizontal distance between the two distributions of service times, in milliseconds. */
  readonly distance: number;
}

/** Sends a disk what was sent to the drive it is made after, with the same pauses, and compares the two distributions of service times. */
export function replay(parameters: DiskParameters, requests: readonly MeasuredRequest[]): Replay {
  const disk = new HardDisk(parameters);
  let now = 0;
  const simulated = requests.map(({ write, sector, sectors, think }, id) => {
    disk.submit(
      { id, write, sector, sectors, arrival: now, owner: 0, class: "normal", deadline: Number.POSITIVE_INFINITY },
      now,
    );
    const { at } = disk.complete();
    const service = at - now;
    now = at + think;
    return service;
  });
  const measured = requests.map(({ service }) => service);
  return {
    requests: requests.length,
    meanMeasured: mean(measured),
    meanSimulated: mean(simulated),
    distance: distance(measured, simulated),
  };
}

/** Both have as many values: the distance at a share of the distribution is that of the values at the same rank. */
function distance(left: readonly number[], right: readonly number[]): number {
  const sorted = Float64Array.from(right).sort();
  return Math.sqrt(mean(Array.from(Float64Array.from(left).sort(), (value, rank) => (value - sorted[rank]!) ** 2)));
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
