import type { ArmTimes } from "../disk/mechanics.ts";
import { type Completion, SECTOR_BYTES } from "../request.ts";

/** What was measured of some requests. Times are milliseconds. */
export interface LatencyFigures {
  readonly requests: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly most: number;
}

/** What was measured of a run. */
export interface RunFigures {
  /** Aperiodic requests a second, and their bytes. */
  readonly iops: number;
  readonly megabytesPerSecond: number;
  readonly reads: LatencyFigures;
  readonly writes: LatencyFigures;
  readonly streams: {
    readonly periods: number;
    readonly missed: number;
    readonly latest: number;
    readonly megabytesPerSecond: number;
  };
  /** Shares of the time. What is left is commands, the bus, and nothing to do. */
  readonly arm: Readonly<ArmTimes>;
  /** Simulated, and what the host took for it. */
  readonly seconds: number;
  readonly microsecondsPerRequest: number;
}

/** Collects completions into figures. */
export class Meter {
  readonly #reads: number[] = [];
  readonly #writes: number[] = [];
  #sectors = 0;
  #periods = 0;
  #streamSectors = 0;
  #missed = 0;
  #latest = 0;

  get aperiodic(): number {
    return this.#reads.length + this.#writes.length;
  }

  get periods(): number {
    return this.#periods;
  }

  observe({ request, at }: Completion): void {
    if (request.deadline === Number.POSITIVE_INFINITY) {
      (request.write ? this.#writes : this.#reads).push(at - request.arrival);
      this.#sectors += request.sectors;
      return;
    }
    this.#periods++;
    this.#streamSectors += request.sectors;
    if (at <= request.deadline) return;
    this.#missed++;
    this.#latest = Math.max(this.#latest, at - request.deadline);
  }

  /** The figures of a run of so many milliseconds, which took the host so many, and what the arm did in it. */
  figures(simulated: number, took: number, { seek, rotation, transfer }: Readonly<ArmTimes>): RunFigures {
    const seconds = simulated / 1000;
    return {
      iops: this.aperiodic / seconds,
      megabytesPerSecond: megabytes(this.#sectors) / seconds,
      reads: latencies(this.#reads),
      writes: latencies(this.#writes),
      streams: {
        periods: this.#periods,
        missed: this.#missed,
        latest: this.#latest,
        megabytesPerSecond: megabytes(this.#streamSectors) / seconds,
      },
      arm: { seek: seek / simulated, rotation: rotation / simulated, transfer: transfer / simulated },
      seconds,
      microsecondsPerRequest: (took * 1000) / Math.max(1, this.aperiodic + this.#periods),
    };
  }
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
