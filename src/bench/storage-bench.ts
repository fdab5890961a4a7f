import { StopcodeError } from "../binary/index.ts";
import {
  CALIBRATION_STREAM,
  calibrate,
  calibrationDisk,
  HardDisk,
  POLICIES,
  type Policy,
  type RunFigures,
  readDisk,
  type StreamParameters,
} from "../storage/index.ts";
import { type DeviceRate, deviceRates } from "./device-rates.ts";
import { dispatchCost } from "./dispatch-cost.ts";
import { type StorageBounds, storageBounds } from "./storage-bounds.ts";
import { paceOf, storageLoads } from "./storage-load.ts";

export interface StorageBenchOptions {
  /** Traces whose requests are the load, each by itself; none: a load is made. */
  readonly traces: readonly string[];
  /** A DiskSim parameter file; null: the calibration disk. */
  readonly disk: string | null;
  /** Names of policies; all, where none is named. */
  readonly policies: readonly string[];
  /** Numbers of streams beside the load. */
  readonly streams: readonly number[];
  /** Milliseconds of the streams' periods, which streams take by turns. All streams have the same rate. */
  readonly periods: readonly number[];
  /** Streams are of a variable bit rate. */
  readonly isVariable: boolean;
  /** Requests that the load keeps open, where `utilisation` is null. */
  readonly depth: number;
  /** Requests arrive in their own time, so fast that the disk would be busy for this percentage, taking them in order. */
  readonly utilisation: number | null;
  /** Simulated seconds of each run. */
  readonly seconds: number;
  readonly seed: number;
  /** Runs of each policy, with this seed and those after it, taken together. */
  readonly runs: number;
}

/** One policy on one load. */
export interface PolicyFigure extends RunFigures {
  readonly policy: string;
  readonly load: string;
  readonly streamCount: number;
  /** Microseconds of the host to take in one request and give out one, with 128 waiting. */
  readonly dispatchMicroseconds: number;
}

/** The document of `bench storage --json`. */
export interface StorageBench {
  readonly disk: string;
  /** One of the two, and null the other. */
  readonly depth: number | null;
  readonly utilisation: number | null;
  readonly periods: readonly number[];
  readonly isVariable: boolean;
  readonly seeds: readonly number[];
  readonly runs: readonly PolicyFigure[];
  /** Of each load beside each number of streams. */
  readonly bounds: readonly StorageBounds[];
  readonly devices: readonly DeviceRate[];
}

export interface StorageBenchProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
  readonly secondsLeft: number | null;
}

/**
 * Runs every policy on the same disk, the same load and the same streams, one after the other.
 * Throws `usage/no-policy` for a name that is none, and as `readDisk` and `readBlockTrace` do, before anything is run.
 */
export function benchStorage(
  options: StorageBenchOptions,
  onProgress: (progress: StorageBenchProgress) => void,
): StorageBench {
  const policies = policiesOf(options.policies);
  const disk = options.disk === null ? calibrationDisk() : readDisk(options.disk);
  const { sectors } = new HardDisk(disk);
  const loads = storageLoads(options, sectors);
  const paces = new Map(loads.map((load) => [load, paceOf(load, options, disk)]));
  const stepsOfLoad = policies.length + options.streams.length * (policies.length + 1);
  const step = stepsOf(loads.length * stepsOfLoad, onProgress);
  const runs: PolicyFigure[] = [];
  const bounds: StorageBounds[] = [];
  for (const load of loads) {
    const costs = policies.map((policy) => {
      step(`dispatch by ${policy.name}`);
      return dispatchCost(policy, disk, load.demands);
    });
    for (const streamCount of options.streams) {
      const calibration = {
        disk,
        streams: streamsOf(streamCount, options),
        demands: load.demands,
        pace: paces.get(load)!,
        seed: options.seed,
        runs: options.runs,
        milliseconds: options.seconds * 1000,
      };
      for (const [at, policy] of policies.entries()) {
        step(`${policy.name} with ${streamCount} streams`);
        const figures = calibrate({ ...calibration, policy });
        const dispatchMicroseconds = costs[at]!;
        runs.push({ policy: policy.name, load: load.name, streamCount, ...figures, dispatchMicroseconds });
      }
      step(`bounds with ${streamCount} streams`);
      bounds.push({ load: load.name, streamCount, ...storageBounds(calibration) });
    }
  }
  const { depth, utilisation, periods, isVariable, seed } = options;
  return {
    disk: disk.name,
    depth: utilisation === null ? depth : null,
    utilisation,
    periods,
    isVariable,
    seeds: Array.from({ length: options.runs }, (_, run) => seed + run),
    runs,
    bounds,
    devices: deviceRates(disk),
  };
}

/** Says of each step what it is, and by those before it when the last one will be done. */
function stepsOf(total: number, onProgress: (progress: StorageBenchProgress) => void): (what: string) => void {
  const begun = performance.now();
  let done = 0;
  return (what) => {
    const passed = (performance.now() - begun) / 1000;
    onProgress({ what, done, total, secondsLeft: done === 0 ? null : (passed / done) * (total - done) });
    done++;
  };
}

const streamsOf = (count: number, { periods, isVariable }: StorageBenchOptions): StreamParameters[] =>
  Array.from({ length: count }, (_, index) => {
    const period = periods[index % periods.length]!;
    const share = period / CALIBRATION_STREAM.period;
    return { period, sectors: Math.max(1, Math.round(CALIBRATION_STREAM.sectors * share)), isVariable };
  });

function policiesOf(names: readonly string[]): readonly Policy[] {
  if (names.length === 0) return POLICIES;
  return names.map((name) => {
    const policy = POLICIES.find((one) => one.name.toLowerCase() === name.toLowerCase());
    if (policy !== undefined) return policy;
    throw new StopcodeError("usage/no-policy", `there is no policy "${name}"`, {
      hint: `there are: ${POLICIES.map((one) => one.name).join(", ")}`,
    });
  });
}
