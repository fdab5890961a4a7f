import {
  type Calibration,
  calibrate,
  HardDisk,
  leastMisses,
  type Misses,
  POLICIES,
  zeroMissCeiling,
} from "../storage/index.ts";

/** What no policy does better on one load, or none is thought to. */
export interface StorageBounds {
  readonly load: string;
  readonly streamCount: number;
  /** A lower bound: periods that nobody serves in time, even with an arm that takes no time at all. */
  readonly leastMisses: Misses;
  /** Null: requests arrive in their own time, so that a policy is not to blame for how many a second there are. */
  readonly ceilings: Ceilings | null;
}

/** Aperiodic requests a second. Both are estimates: who makes neighbours one transfer can be above them. */
export interface Ceilings {
  /** What SPTF, which knows no deadlines, reaches beside the same streams. */
  readonly withoutDeadlines: number;
  /** What is left where streams take a sweep a period, at what SPTF takes for a request without streams. */
  readonly withoutMisses: number;
}

export function storageBounds(
  calibration: Omit<Calibration, "policy">,
): Pick<StorageBounds, "leastMisses" | "ceilings"> {
  const { disk, streams, pace } = calibration;
  const ceilings = () => {
    const policy = POLICIES.find(({ name }) => name === "SPTF")!;
    const alone = calibrate({ ...calibration, policy, streams: [] });
    return {
      withoutDeadlines: calibrate({ ...calibration, policy }).iops,
      withoutMisses: zeroMissCeiling(streams, new HardDisk(disk), 1000 / alone.iops),
    };
  };
  return { leastMisses: leastMisses(calibration), ceilings: "depth" in pace ? ceilings() : null };
}
