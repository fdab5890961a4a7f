import { Random } from "../../binary/index.ts";
import { HardDisk } from "../disk/hard-disk.ts";
import type { DiskParameters } from "../disk/parameters.ts";
import type { Policy } from "../schedulers/policies.ts";
import { ClosedLoop, type Demand } from "./closed-loop.ts";
import { type Load, Numbers } from "./load.ts";
import { Meter, type RunFigures } from "./load-figures.ts";
import { OpenLoop } from "./open-loop.ts";
import { PeriodicStreams, type StreamParameters } from "./periodic-streams.ts";
import { QueueMeter } from "./queue-meter.ts";
import { simulate } from "./simulate.ts";
import { SweepBound } from "./sweep-bound.ts";

/** How a load comes: it keeps so many requests open, or each arrives after its gap (milliseconds) whatever waits. */
export type Pace = { readonly depth: number } | { readonly gaps: Float64Array };

/** Runs of one policy: streams beside a load. */
export interface Calibration {
  readonly disk: DiskParameters;
  readonly policy: Policy;
  readonly streams: readonly StreamParameters[];
  readonly demands: readonly Demand[];
  readonly pace: Pace;
  readonly seed: number;
  /** With this seed and those after it; one, where it is not said. */
  readonly runs?: number;
  /** Each ends after so many aperiodic requests, or periods of streams, or milliseconds. */
  readonly requests?: number;
  readonly periods?: number;
  readonly milliseconds: number;
}

/** An owner that is no stream. */
const LOAD = 1_000_000;

export function calibrate(calibration: Calibration): RunFigures {
  const meter = new Meter();
  const { seed, runs = 1 } = calibration;
  for (let run = 0; run < runs; run++) calibrateOnce(calibration, seed + run, meter);
  return meter.figures();
}

function calibrateOnce(calibration: Calibration, seed: number, meter: Meter): void {
  const { policy, streams, milliseconds } = calibration;
  const { requests = Number.POSITIVE_INFINITY, periods = Number.POSITIVE_INFINITY } = calibration;
  const disk = new HardDisk(calibration.disk);
  const queue = new QueueMeter(policy.create(disk));
  const loads = loadsOf(calibration, seed, disk.sectors);
  const period = Math.max(...(streams.length === 0 ? [CALIBRATION_STREAM] : streams).map((stream) => stream.period));
  const [inPeriod, inTenPeriods] = [new SweepBound(disk, period), new SweepBound(disk, 10 * period)];
  const [lastRequest, lastPeriod] = [meter.aperiodic + requests, meter.periods + periods];
  const begun = performance.now();
  const end = simulate(disk, queue, loads, milliseconds, (completion) => {
    meter.observe(completion);
    inPeriod.visit(disk.heads.cylinder, completion.at);
    inTenPeriods.visit(disk.heads.cylinder, completion.at);
    return meter.aperiodic < lastRequest && meter.periods < lastPeriod;
  });
  meter.endRun(end, performance.now() - begun, queue, disk.spent, {
    inPeriod: inPeriod.least,
    inTenPeriods: inTenPeriods.least,
  });
}

/** The streams of a run, whatever the policy, and what they run beside. */
export function loadsOf(
  { streams, demands, pace }: Pick<Calibration, "streams" | "demands" | "pace">,
  seed: number,
  sectors: number,
): [streams: Load, beside: Load] {
  const random = new Random(seed, "calibration");
  const numbers = new Numbers();
  return [
    new PeriodicStreams(streams, sectors, random, numbers),
    "depth" in pace
      ? new ClosedLoop(demands, pace.depth, LOAD, "normal", numbers, random.below(demands.length))
      : new OpenLoop(demands, pace.gaps, LOAD, "normal", numbers, random.below(demands.length)),
  ];
}

/** A stream of 2.1 Mbit/s: 128 KiB every half second (storage.md B2). */
export const CALIBRATION_STREAM: StreamParameters = { period: 500, sectors: 256 };

/** Requests as a virtual machine's disk saw them in the mean (storage.md B2, sizes and sequential runs), for when there is no trace. */
export function inventedDemands(sectors: number, count: number, seed: number): Demand[] {
  const random = new Random(seed, "demands");
  const sizes = [128, 128, 128, 128, 136, 136, 16, 16, 8, 8];
  const places = Array.from({ length: 24 }, () => random.below(sectors - 2_000_000));
  const demands: Demand[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    const size = sizes[random.below(sizes.length)]!;
    const isSequential = random.below(100) < 41;
    if (!isSequential) at = places[random.below(places.length)]! + random.below(1_500_000);
    demands.push({
      sector: at,
      sectors: size,
      write: isSequential ? (demands.at(-1)?.write ?? true) : random.below(100) < 56,
    });
    at += size;
  }
  return demands;
}
