import { basename } from "node:path";
import { StopcodeError } from "../binary/index.ts";
import {
  CALIBRATION_STREAM,
  calibrate,
  calibrationDisk,
  type Demand,
  HardDisk,
  inventedDemands,
  POLICIES,
  type Policy,
  type RunFigures,
  readBlockTrace,
  readDisk,
} from "../storage/index.ts";
import { dispatchCost } from "./dispatch-cost.ts";

/** Requests of the load that is made where no trace is given. */
const INVENTED = 20_000;

export interface StorageBenchOptions {
  /** Traces whose requests are the load, each by itself; none: a load is made. */
  readonly traces: readonly string[];
  /** A DiskSim parameter file; null: the calibration disk. */
  readonly disk: string | null;
  /** Names of policies; all, where none is named. */
  readonly policies: readonly string[];
  /** Numbers of streams beside the load. */
  readonly streams: readonly number[];
  /** Requests that the load keeps open. */
  readonly depth: number;
  /** Simulated seconds of each run. */
  readonly seconds: number;
  readonly seed: number;
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
  readonly depth: number;
  readonly seed: number;
  readonly runs: readonly PolicyFigure[];
}

export interface StorageBenchProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
  readonly secondsLeft: number | null;
}

interface NamedLoad {
  readonly name: string;
  readonly demands: readonly Demand[];
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
  const loads = loadsOf(options, sectors);
  const plan = loads.flatMap((load) =>
    options.streams.flatMap((streamCount) => policies.map((policy) => ({ load, streamCount, policy }))),
  );
  const begun = performance.now();
  const costs = new Map<string, number>();
  const costOf = (policy: Policy, load: NamedLoad) => {
    const key = `${policy.name}\n${load.name}`;
    const cost = costs.get(key) ?? dispatchCost(policy, disk, load.demands);
    costs.set(key, cost);
    return cost;
  };
  const runs = plan.map(({ load, streamCount, policy }, done) => {
    const passed = (performance.now() - begun) / 1000;
    onProgress({
      what: `${policy.name} with ${streamCount} streams`,
      done,
      total: plan.length,
      secondsLeft: done === 0 ? null : (passed / done) * (plan.length - done),
    });
    const figures = calibrate({
      disk,
      policy,
      streams: Array(streamCount).fill(CALIBRATION_STREAM),
      demands: load.demands,
      depth: options.depth,
      seed: options.seed,
      milliseconds: options.seconds * 1000,
    });
    return {
      policy: policy.name,
      load: load.name,
      streamCount,
      ...figures,
      dispatchMicroseconds: costOf(policy, load),
    };
  });
  return { disk: disk.name, depth: options.depth, seed: options.seed, runs };
}

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

function loadsOf({ traces, seed }: StorageBenchOptions, sectors: number): NamedLoad[] {
  if (traces.length === 0) return [{ name: "made", demands: inventedDemands(sectors, INVENTED, seed) }];
  return traces.map((file) => ({
    name: basename(file),
    // A trace of a larger device comes around at this one's end.
    demands: readBlockTrace(file).requests.map(({ sector, sectors: length, write }) => {
      const count = Math.min(length, sectors);
      return { sector: sector % (sectors - count + 1), sectors: count, write };
    }),
  }));
}
