import type { ArmTimes } from "../disk/mechanics.ts";
import { type BlockRequest, type Completion, SECTOR_BYTES } from "../request.ts";
import { fairness } from "./fairness.ts";
import { type Misses, type MissRatio, missRatio } from "./miss-ratio.ts";
import { kindOf, type QueueMeter, REQUEST_KINDS, type RequestKind } from "./queue-meter.ts";

/** What was measured of some requests. Times are milliseconds. */
export interface LatencyFigures {
  readonly requests: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly most: number;
}

/** What was measured of the requests of one kind. */
export interface KindFigures extends LatencyFigures {
  readonly kind: RequestKind;
  /** Milliseconds that a request waited, in the mean, while one of a lower class was served. Those that still wait are in it. */
  readonly inversion: number;
}

/** What became of the streams. */
export interface StreamFigures {
  /** Those that were served, and those whose end came before they were. */
  readonly periods: number;
  readonly missed: number;
  /** Null: there was no period. */
  readonly missRatio: MissRatio | null;
  /** Milliseconds by which the latest was late, or is by now. */
  readonly maximumTardiness: number;
  /** Jain's index over streams, of the share of its periods that each had in time. Null: no stream had one. */
  readonly fairness: number | null;
  readonly megabytesPerSecond: number;
}

/** What the arm's moves took for a request, streams' and all, in milliseconds. */
export interface SeekFigures {
  readonly perRequest: number;
  /** Lower bounds: for the same requests in the best order inside each window of one period, the longest, and of ten (`SweepBound`). */
  readonly leastInPeriod: number;
  readonly leastInTenPeriods: number;
}

/** What was measured of a run, or of several together. */
export interface RunFigures {
  /** Aperiodic requests a second, and their bytes. */
  readonly iops: number;
  readonly megabytesPerSecond: number;
  readonly reads: LatencyFigures;
  readonly writes: LatencyFigures;
  /** The same requests by kind, and the streams'; the most urgent first, without those that did not come. */
  readonly kinds: readonly KindFigures[];
  readonly streams: StreamFigures;
  /** Requests that waited or were served, in the mean over time. */
  readonly queueDepth: number;
  /** Shares of the time. What is left is commands, the bus, and nothing to do. */
  readonly arm: Readonly<ArmTimes>;
  readonly seek: SeekFigures;
  /** Simulated, and what the host took for it. */
  readonly seconds: number;
  readonly microsecondsPerRequest: number;
}

/** Periods of one stream. */
interface Periods {
  met: number;
  all: number;
}

/** Requests of one kind. Times are milliseconds. */
interface OfKind {
  readonly latencies: number[];
  arrived: number;
  inverted: number;
}

/** Milliseconds that the arm moves at least, by the length of windows. */
interface LeastSeeks {
  inPeriod: number;
  inTenPeriods: number;
}

/** Collects the completions of a run, or of several one after the other, into figures. */
export class Meter {
  readonly #reads: number[] = [];
  readonly #writes: number[] = [];
  readonly #kinds = new Map<RequestKind, OfKind>();
  /** Of the run that goes on, by owner, and of all runs that ended. */
  readonly #streams = new Map<number, Periods>();
  readonly #ended: Periods[] = [];
  readonly #misses: Misses[] = [];
  readonly #arm: ArmTimes = { seek: 0, rotation: 0, transfer: 0 };
  readonly #leastSeeks: LeastSeeks = { inPeriod: 0, inTenPeriods: 0 };
  #sectors = 0;
  #streamSectors = 0;
  #periods = 0;
  #maximumTardiness = 0;
  /** Milliseconds: simulated, of the host, and of all that waited or was served. */
  #simulated = 0;
  #took = 0;
  #waited = 0;

  /** Aperiodic requests, and periods, that are complete. */
  get aperiodic(): number {
    return this.#reads.length + this.#writes.length;
  }

  get periods(): number {
    return this.#periods;
  }

  observe({ request, at }: Completion): void {
    const latency = at - request.arrival;
    const kind = kindOf(request);
    this.#kind(kind).latencies.push(latency);
    if (kind !== "periodic") {
      (request.write ? this.#writes : this.#reads).push(latency);
      this.#sectors += request.sectors;
      return;
    }
    this.#periods++;
    this.#streamSectors += request.sectors;
    this.#period(request, at);
  }

  /** Ends a run of so many milliseconds, which took the host so many; what waited, what the arm did in it and the least it could have. */
  endRun(
    simulated: number,
    took: number,
    queue: QueueMeter,
    arm: Readonly<ArmTimes>,
    leastSeeks: Readonly<LeastSeeks>,
  ): void {
    for (const request of queue.open()) if (request.deadline < simulated) this.#period(request, simulated);
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    this.#ended.push(...streams);
    this.#misses.push(missesOf(streams));
    for (const { kind, arrived, inverted } of queue.inversions(simulated)) {
      const ofKind = this.#kind(kind);
      ofKind.arrived += arrived;
      ofKind.inverted += inverted;
    }
    for (const part of ["seek", "rotation", "transfer"] as const) this.#arm[part] += arm[part];
    for (const window of ["inPeriod", "inTenPeriods"] as const) this.#leastSeeks[window] += leastSeeks[window];
    this.#simulated += simulated;
    this.#took += took;
    this.#waited += queue.depth(simulated) * simulated;
  }

  /** The figures of the runs that ended. */
  figures(): RunFigures {
    const simulated = this.#simulated;
    const seconds = simulated / 1000;
    const { seek, rotation, transfer } = this.#arm;
    const requests = Math.max(1, this.aperiodic + this.#periods);
    return {
      iops: this.aperiodic / seconds,
      megabytesPerSecond: megabytes(this.#sectors) / seconds,
      reads: latencies(this.#reads),
      writes: latencies(this.#writes),
      kinds: this.#kindFigures(),
      streams: {
        ...missesOf(this.#ended),
        missRatio: missRatio(this.#misses),
        maximumTardiness: this.#maximumTardiness,
        fairness: fairness(this.#ended.map(({ met, all }) => met / all)),
        megabytesPerSecond: megabytes(this.#streamSectors) / seconds,
      },
      queueDepth: this.#waited / simulated,
      arm: { seek: seek / simulated, rotation: rotation / simulated, transfer: transfer / simulated },
      seek: {
        perRequest: seek / requests,
        leastInPeriod: this.#leastSeeks.inPeriod / requests,
        leastInTenPeriods: this.#leastSeeks.inTenPeriods / requests,
      },
      seconds,
      microsecondsPerRequest: (this.#took * 1000) / requests,
    };
  }

  #kind(kind: RequestKind): OfKind {
    const known = this.#kinds.get(kind) ?? { latencies: [], arrived: 0, inverted: 0 };
    this.#kinds.set(kind, known);
    return known;
  }

  /** A period that ended, or at `at` has not. */
  #period({ owner, deadline }: BlockRequest, at: number): void {
    const periods = this.#streams.get(owner) ?? { met: 0, all: 0 };
    this.#streams.set(owner, periods);
    periods.all++;
    if (at <= deadline) periods.met++;
    else this.#maximumTardiness = Math.max(this.#maximumTardiness, at - deadline);
  }

  #kindFigures(): KindFigures[] {
    return REQUEST_KINDS.flatMap((kind) => {
      const found = this.#kinds.get(kind);
      if (found === undefined) return [];
      return [{ kind, ...latencies(found.latencies), inversion: found.inverted / found.arrived }];
    });
  }
}

function missesOf(streams: readonly Periods[]): Misses {
  const periods = streams.reduce((sum, { all }) => sum + all, 0);
  return { periods, missed: periods - streams.reduce((sum, { met }) => sum + met, 0) };
}

const megabytes = (sectors: number): number => (sectors * SECTOR_BYTES) / 1e6;

function latencies(values: readonly number[]): LatencyFigures {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return {
    requests: sorted.length,
    mean: sorted.reduce((sum, value) => sum + value, 0) / Math.max(1, sorted.length),
    p50: at(0.5),
    p99: at(0.99),
    p999: at(0.999),
    most: sorted.at(-1) ?? 0,
  };
}
