import { basename } from "node:path";
import { Random, StopcodeError } from "../binary/index.ts";
import {
  CALIBRATION_STREAM,
  calibrate,
  calibrationDisk,
  type Demand,
  type DiskParameters,
  HardDisk,
  inventedDemands,
  type Pace,
  POLICIES,
  type Policy,
  type RunFigures,
  randomGaps,
  readBlockTrace,
  readDisk,
  type StreamParameters,
  scaledGaps,
} from "../storage/index.ts";
import { type DeviceRate, deviceRates } from "./device-rates.ts";
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
  readonly seed: number;
  readonly runs: readonly PolicyFigure[];
  readonly devices: readonly DeviceRate[];
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
  /** From the demand before, in any unit. */
  readonly gaps: Float64Array;
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
  const paces = new Map(loads.map((load) => [load, paceOf(load, options, disk)]));
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
      streams: streamsOf(streamCount, options),
      demands: load.demands,
      pace: paces.get(load)!,
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
  const { depth, utilisation, periods, isVariable, seed } = options;
  return {
    disk: disk.name,
    depth: utilisation === null ? depth : null,
    utilisation,
    periods,
    isVariable,
    seed,
    runs,
    devices: deviceRates(disk),
  };
}

const streamsOf = (count: number, { periods, isVariable }: StorageBenchOptions): StreamParameters[] =>
  Array.from({ length: count }, (_, index) => {
    const period = periods[index % periods.length]!;
    const share = period / CALIBRATION_STREAM.period;
    return { period, sectors: Math.max(1, Math.round(CALIBRATION_STREAM.sectors * share)), isVariable };
  });

/** Throws `trace/no-times` where requests are to arrive in their own time and have none. */
function paceOf(load: NamedLoad, { depth, utilisation, seed }: StorageBenchOptions, disk: DiskParameters): Pace {
  if (utilisation === null) return { depth };
  if (load.gaps.every((gap) => gap === 0))
    throw new StopcodeError("trace/no-times", `all requests of ${load.name} arrive at once`, {
      hint: "leave out --utilisation: the load then keeps --depth requests open",
    });
  const policy = POLICIES.find(({ name }) => name === "FCFS")!;
  const { demands } = load;
  const [streams, requests, milliseconds] = [[], demands.length, Number.POSITIVE_INFINITY];
  const alone = calibrate({ disk, policy, streams, demands, pace: { depth: 1 }, seed, requests, milliseconds });
  const service = 1000 / alone.iops;
  return { gaps: scaledGaps(load.gaps, (service * 100) / utilisation) };
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
  if (traces.length === 0) {
    const gaps = randomGaps(INVENTED, new Random(seed, "gaps"));
    return [{ name: "made", demands: inventedDemands(sectors, INVENTED, seed), gaps }];
  }
  return traces.map((file) => {
    const { requests } = readBlockTrace(file);
    // A trace of a larger device comes around at this one's end.
    const demands = requests.map(({ sector, sectors: length, write }) => {
      const count = Math.min(length, sectors);
      return { sector: sector % (sectors - count + 1), sectors: count, write };
    });
    const gaps = Float64Array.from(requests, ({ arrival }, at) => arrival - (requests[at - 1]?.arrival ?? arrival));
    return { name: basename(file), demands, gaps };
  });
}
