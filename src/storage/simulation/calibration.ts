import { Random } from "../../binary/index.ts";
import { HardDisk } from "../disk/hard-disk.ts";
import type { DiskParameters } from "../disk/parameters.ts";
import type { Policy } from "../schedulers/policies.ts";
import { ClosedLoop, type Demand } from "./closed-loop.ts";
import { Numbers } from "./load.ts";
import { Meter, type RunFigures } from "./load-figures.ts";
import { OpenLoop } from "./open-loop.ts";
import { PeriodicStreams, type StreamParameters } from "./periodic-streams.ts";
import { simulate } from "./simulate.ts";

/** How a load comes: it keeps so many requests open, or each arrives after its gap (milliseconds) whatever waits. */
export type Pace = { readonly depth: number } | { readonly gaps: Float64Array };

/** One run of one policy: streams beside a load. */
export interface Calibration {
  readonly disk: DiskParameters;
  readonly policy: Policy;
  readonly streams: readonly StreamParameters[];
  readonly demands: readonly Demand[];
  readonly pace: Pace;
  readonly seed: number;
  /** It ends after so many aperiodic requests, or periods of streams, or milliseconds. */
  readonly requests?: number;
  readonly periods?: number;
  readonly milliseconds: number;
}

/** An owner that is no stream. */
const LOAD = 1_000_000;

export function calibrate(calibration: Calibration): RunFigures {
  const { policy, streams, demands, pace, seed, requests, periods, milliseconds } = calibration;
  const disk = new HardDisk(calibration.disk);
  const scheduler = policy.create(disk);
  const random = new Random(seed, "calibration");
  const numbers = new Numbers();
  const loads = [
    new PeriodicStreams(streams, disk.sectors, random, numbers),
    "depth" in pace
      ? new ClosedLoop(demands, pace.depth, LOAD, "normal", numbers, random.below(demands.length))
      : new OpenLoop(demands, pace.gaps, LOAD, "normal", numbers, random.below(demands.length)),
  ];
  const meter = new Meter();
  const begun = performance.now();
  const end = simulate(disk, scheduler, loads, milliseconds, (completion) => {
    meter.observe(completion);
    return (
      meter.aperiodic < (requests ?? Number.POSITIVE_INFINITY) && meter.periods < (periods ?? Number.POSITIVE_INFINITY)
    );
  });
  return meter.figures(end, performance.now() - begun, disk.spent);
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
