import type { PositionedDevice } from "../device.ts";
import type { Scheduler } from "../scheduler.ts";
import { BfqLike } from "./bfq-like.ts";
import { cascadedCurves } from "./cascaded-curves.ts";
import { CelloLike } from "./cello-like.ts";
import { ContinuousMedia } from "./continuous-media.ts";
import { textbookSchedulers } from "./cost-based.ts";
import { KyberLike, MqDeadline } from "./linux.ts";
import { Rounds } from "./rounds.ts";
import { roundSize, serviceBound } from "./service-bound.ts";
import { VScan } from "./v-scan.ts";

/** The latency that the patent's rounds are sized for: two of them fit a stream's period of 500 ms. */
const ROUND_LATENCY = 250;
/** The share of a round that streams may have: with half, 28 streams of the calibration load miss nine of ten deadlines, with this none. */
const PERIODIC_SHARE = 3 / 4;
/** The largest request of the loads here, in sectors. */
const LARGEST = 256;

/** The bias that Geist and Daniel recommend. */
const BIAS = 0.2;

export interface Policy {
  readonly name: string;
  create(device: PositionedDevice): Scheduler;
}

const textbook = (name: string): Policy => ({
  name,
  create: (device) => textbookSchedulers(device).find((scheduler) => scheduler.name === name)!,
});

/** The scheduler that users get, and those it is measured against. */
export const POLICIES: readonly Policy[] = [
  { name: "continuous media", create: (device) => new ContinuousMedia(device) },
  ...["FCFS", "SSTF", "C-LOOK", "SPTF", "ASPTF", "EDF", "SCAN-EDF"].map(textbook),
  { name: `VSCAN(${BIAS})`, create: (device) => new VScan(BIAS, device) },
  { name: "mq-deadline", create: () => new MqDeadline() },
  { name: "Kyber-like", create: () => new KyberLike() },
  { name: "BFQ-like", create: (device) => new BfqLike(device) },
  { name: "Cello-like", create: (device) => new CelloLike(device) },
  { name: "Cascaded-SFC-like", create: (device) => cascadedCurves(device) },
  { name: "rounds", create: (device) => patentRounds(device, false) },
  { name: "rounds by position", create: (device) => patentRounds(device, true) },
];

function patentRounds(device: PositionedDevice, isByPosition: boolean): Rounds {
  const limits = {
    cylinders: device.cylinders - 1,
    seekTime: (cylinders: number) => device.seekTime(cylinders),
    rotation: device.rotation,
    transfer: LARGEST * device.limits.sectorTransfer,
    overhead: device.limits.overhead,
  };
  const size = Math.max(1, roundSize(ROUND_LATENCY, limits));
  return new Rounds(
    { size, bound: serviceBound(size, limits), periodicSlots: Math.ceil(PERIODIC_SHARE * size) },
    isByPosition ? device : null,
  );
}
