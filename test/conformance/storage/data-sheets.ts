import {
  INTEL_P4500,
  INTEL_P4500_1TB,
  INTEL_P4500_4TB,
  INTEL_S4500,
  SAMSUNG_960_EVO,
  SAMSUNG_970_PRO,
  type SolidStateParameters,
} from "../../../src/storage/index.ts";
import type { Figure, FigureTask } from "./device-figure.ts";

export interface SheetRow {
  readonly device: SolidStateParameters;
  readonly what: string;
  readonly task: FigureTask;
  readonly of: keyof Figure;
  /** What the maker, or who measured it, says (storage.md, part C). Two numbers: a range. */
  readonly published: readonly [number, number];
}

const KIB = 1024;
const random = (write: boolean, depth: number, isWorn: boolean): FigureTask => ({
  write,
  isSequential: false,
  bytes: 4 * KIB,
  depth,
  isWorn,
});
const stream = (write: boolean, bytes = 128 * KIB, depth = 32): FigureTask => ({
  write,
  isSequential: true,
  bytes,
  depth,
  isWorn: false,
});
const exactly = (value: number): [number, number] => [value, value];

/** What of the P4500's sheet goes by capacity: requests and megabytes a second, microseconds. */
interface OfCapacity {
  readonly reads: number;
  readonly writes: number;
  readonly written: number;
  readonly randomRead: number;
}

const ofP4500 = (device: SolidStateParameters, { reads, writes, written, randomRead }: OfCapacity): SheetRow[] => [
  {
    device,
    what: "4 KiB reads at depth 256",
    task: random(false, 256, true),
    of: "iops",
    published: exactly(reads),
  },
  {
    device,
    what: "4 KiB writes at depth 256",
    task: random(true, 256, true),
    of: "iops",
    published: exactly(writes),
  },
  { device, what: "sequential reads", task: stream(false), of: "megabytes", published: exactly(3200) },
  { device, what: "sequential writes", task: stream(true), of: "megabytes", published: exactly(written) },
  {
    device,
    what: "latency of sequential reads",
    task: stream(false, 4 * KIB, 1),
    of: "microseconds",
    published: exactly(10),
  },
  {
    device,
    what: "latency of sequential writes",
    task: stream(true, 4 * KIB, 1),
    of: "microseconds",
    published: exactly(13),
  },
  {
    device,
    what: "latency of random reads",
    task: random(false, 1, true),
    of: "microseconds",
    published: exactly(randomRead),
  },
  {
    device,
    what: "latency of random writes",
    task: random(true, 1, false),
    of: "microseconds",
    published: exactly(20),
  },
];

export const DATA_SHEETS: readonly SheetRow[] = [
  {
    device: INTEL_S4500,
    what: "4 KiB reads at depth 32",
    task: random(false, 32, true),
    of: "iops",
    published: exactly(72_000),
  },
  {
    device: INTEL_S4500,
    what: "4 KiB writes at depth 32",
    task: random(true, 32, true),
    of: "iops",
    published: [33_000, 65_000],
  },
  { device: INTEL_S4500, what: "sequential reads", task: stream(false), of: "megabytes", published: exactly(500) },
  { device: INTEL_S4500, what: "sequential writes", task: stream(true), of: "megabytes", published: exactly(490) },
  {
    device: INTEL_S4500,
    what: "latency of sequential reads",
    task: stream(false, 4 * KIB, 1),
    of: "microseconds",
    published: exactly(36),
  },
  {
    device: INTEL_S4500,
    what: "latency of sequential writes",
    task: stream(true, 4 * KIB, 1),
    of: "microseconds",
    published: exactly(36),
  },
  {
    device: INTEL_S4500,
    what: "latency of random reads",
    task: random(false, 1, true),
    of: "microseconds",
    published: exactly(110),
  },
  {
    device: INTEL_S4500,
    what: "latency of random writes",
    task: random(true, 1, false),
    of: "microseconds",
    published: exactly(52),
  },
  // The sheet does not say at which depth. At 32 its own rates would have 444 us pass for a read and 970 us for a write on average.
  {
    device: INTEL_S4500,
    what: "99.9 % of random reads",
    task: random(false, 1, true),
    of: "microsecondsOfMost",
    published: exactly(300),
  },
  {
    device: INTEL_S4500,
    what: "99.9 % of random writes",
    task: random(true, 1, true),
    of: "microsecondsOfMost",
    published: exactly(800),
  },
  ...ofP4500(INTEL_P4500_1TB, { reads: 279_500, writes: 30_500, written: 600, randomRead: 85 }),
  ...ofP4500(INTEL_P4500, { reads: 490_000, writes: 38_000, written: 1050, randomRead: 85 }),
  ...ofP4500(INTEL_P4500_4TB, { reads: 645_000, writes: 62_500, written: 1800, randomRead: 115 }),
  {
    device: SAMSUNG_960_EVO,
    what: "4 KiB reads at depth 1",
    task: random(false, 1, true),
    of: "iops",
    published: exactly(14_000),
  },
  {
    device: SAMSUNG_960_EVO,
    what: "4 KiB writes at depth 1",
    task: random(true, 1, false),
    of: "iops",
    published: exactly(50_000),
  },
  {
    device: SAMSUNG_960_EVO,
    what: "4 KiB reads at depth 32",
    task: random(false, 32, true),
    of: "iops",
    published: [330_000, 380_000],
  },
  {
    device: SAMSUNG_960_EVO,
    what: "4 KiB writes at depth 32",
    task: random(true, 32, false),
    of: "iops",
    published: [300_000, 360_000],
  },
  { device: SAMSUNG_960_EVO, what: "sequential reads", task: stream(false), of: "megabytes", published: exactly(3200) },
  { device: SAMSUNG_960_EVO, what: "sequential writes", task: stream(true), of: "megabytes", published: [1500, 1900] },
  {
    device: SAMSUNG_970_PRO,
    what: "4 KiB reads at depth 128",
    task: random(false, 128, true),
    of: "iops",
    published: exactly(370_000),
  },
  {
    device: SAMSUNG_970_PRO,
    what: "4 KiB writes at depth 128",
    task: random(true, 128, false),
    of: "iops",
    published: exactly(500_000),
  },
  { device: SAMSUNG_970_PRO, what: "sequential reads", task: stream(false), of: "megabytes", published: exactly(3500) },
  { device: SAMSUNG_970_PRO, what: "sequential writes", task: stream(true), of: "megabytes", published: exactly(2300) },
];

/** How far a figure is from what is published, as a share of it; 0 within a range. */
export function deviation(figure: number, [low, high]: readonly [number, number]): number {
  return figure < low ? 1 - figure / low : figure > high ? figure / high - 1 : 0;
}
