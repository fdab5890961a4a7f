import type { PositionedDevice } from "../device.ts";
import type { StreamParameters } from "../simulation/periodic-streams.ts";

/** The share of the disk's time that streams may have. The rest is for what a plan does not know, and for everybody else. */
const MOST = 0.85;
/** Of a turn, what a stream's request waits in the mean for the platters when plans know where they are. */
const PLANNED_ROTATION = 1 / 3;

export interface Admission {
  readonly admitted: boolean;
  /** Of the disk's time, with the new stream. */
  readonly share: number;
  /** Streams like the new one by which it does not fit; 0 where it does. */
  readonly missing: number;
  /** Deadlines are met even if every request lies as badly as it can: the bound of a round (systems.md 5.4), without plans. */
  readonly guaranteed: boolean;
}

/** Whether a stream can join others, by the share of the disk's time that sweeps for all of them take. */
export function admit(
  stream: StreamParameters,
  others: readonly StreamParameters[],
  device: PositionedDevice,
): Admission {
  const share = sweepShare([...others, stream], device, PLANNED_ROTATION);
  let missing = 0;
  while (others.length >= missing && sweepShare([...others.slice(missing), stream], device, PLANNED_ROTATION) > MOST)
    missing++;
  return {
    admitted: share <= MOST,
    share,
    missing: share <= MOST ? 0 : missing,
    guaranteed: sweepShare([...others, stream], device, 1) <= 1,
  };
}

/**
 * The share of a disk's time that streams take, at least one of them: in the shortest period the arm sweeps over the disk once, stopping for each
 * as often as it asks in that time; each stop costs the command, the way to it, the wait for the platters (a share of a turn), and the transfer.
 */
export function sweepShare(streams: readonly StreamParameters[], device: PositionedDevice, rotation: number): number {
  const shortest = Math.min(...streams.map(({ period }) => period));
  const stops = streams.reduce((sum, { period }) => sum + shortest / period, 0);
  const seek = device.seekTime(Math.floor((device.cylinders - 1) / (stops + 1)));
  const fixed = device.limits.overhead + rotation * device.rotation;
  const time = streams.reduce(
    (sum, { period, sectors }) => sum + (shortest / period) * (fixed + seek + sectors * device.limits.sectorTransfer),
    seek,
  );
  return time / shortest;
}
