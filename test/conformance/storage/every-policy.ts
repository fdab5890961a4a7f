import { existsSync, readFileSync } from "node:fs";
import { Random } from "../../../src/binary/index.ts";
import {
  CALIBRATION_STREAM,
  type Calibration,
  ClosedLoop,
  calibrate,
  calibrationDisk,
  type Demand,
  HardDisk,
  Numbers,
  POLICIES,
  parseSeekCurve,
  type RunFigures,
  readBlockTrace,
  roundSize,
  serviceBound,
  simulate,
} from "../../../src/storage/index.ts";
import { PageFaults } from "../../storage/page-faults.ts";
import { adversarialRounds } from "./adversarial-rounds.ts";
import { type Excess, roundOrders } from "./round-orders.ts";

/**
 * `npm run conformance:scheduler`: the scheduler that users get on the calibration load (storage.md B2: the measured arm of an ST32171W, the
 * CloudPhysics trace at depth 32, streams of 128 KiB every 500 ms), beside the policies it is measured against; a million
 * periods without a miss for sets of up to 40 streams; rounds that stay within their bound, in orders near the best. Exits with 1 where a
 * promise is not kept.
 */

const SHARED = new URL("../../../../shared/data/traces/", import.meta.url).pathname;
const TRACE = `${SHARED}libcachesim/cloudPhysicsIO.vscsi`;
const CURVE = `${SHARED}disksim-valid/barracuda.seek`;
if (!existsSync(TRACE)) {
  process.stderr.write("the shared traces are not beside this checkout\n");
  process.exit(3);
}
const SEEDS = 10;
const PERIODS = 1_000_000;
const DEPTH = 32;
const ORDER_SEEDS = 40;
const READ_P99 = 200;
const WRITE_MOST = 5000;
/** Aperiodic requests a second that are wanted beside so many streams. */
const WANTED = new Map([
  [12, 262],
  [20, 215],
  [28, 175],
]);
const [OURS, ...OTHERS] = POLICIES;
/** The owner of page faults. */
const FAULTS = 2_000_000;
const FAULT_SEEDS = 5;
/** The first sectors of page files. */
const PAGE_FILES = [
  ["amid the disk", 20_000_000],
  ["at its edge", 0],
] as const;

const disk = calibrationDisk({ kind: "measured", points: parseSeekCurve(readFileSync(CURVE, "utf8"), CURVE) });
const demands = readBlockTrace(TRACE).requests.slice(8_000, 28_000);
let passed = true;
const line = (text: string) => process.stdout.write(`${text}\n`);
const judge = (holds: boolean): string => {
  passed &&= holds;
  return holds ? "holds" : "DOES NOT HOLD";
};
const run = (streams: number, changes: Partial<Calibration>): RunFigures =>
  calibrate({
    disk,
    policy: OURS!,
    streams: Array(streams).fill(CALIBRATION_STREAM),
    demands,
    pace: { depth: DEPTH },
    seed: 1,
    milliseconds: Number.POSITIVE_INFINITY,
    ...changes,
  });

/** Requests of so many sectors, one in three a write. */
function anywhere(sectors: number): Demand[] {
  const random = new Random(7, "places");
  const size = new HardDisk(disk).sectors;
  return Array.from({ length: 20_000 }, () => ({
    sector: random.below(size - sectors),
    sectors,
    write: random.below(3) === 0,
  }));
}

/** The 99th percentile of page faults' latency, of all seeds together, beside a background of a depth; the page file begins at `first`. */
function faultLatency(first: number, depth: number, load: readonly Demand[]): number {
  const latencies: number[] = [];
  for (let seed = 1; seed <= FAULT_SEEDS; seed++) {
    const device = new HardDisk(disk);
    const numbers = new Numbers();
    const faults = new PageFaults(FAULTS, 4, first, 2 ** 18, new Random(seed, "faults"), numbers);
    const background = new ClosedLoop(load, depth, FAULTS + 1, "background", numbers);
    const loads = depth === 0 ? [faults] : [faults, background];
    simulate(device, OURS!.create(device), loads, 1_000_000, ({ request, at }) => {
      if (request.owner === FAULTS) latencies.push(at - request.arrival);
      return true;
    });
  }
  return latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)]!;
}

const missed = ({ streams }: RunFigures) => `${streams.missed} of ${streams.periods} missed`;
const shown = ({ iops, reads, writes, microsecondsPerRequest }: RunFigures) =>
  `${iops.toFixed(1)} requests/s, reads p99 ${reads.p99.toFixed(0)} ms, longest write ${writes.most.toFixed(0)} ms, ${microsecondsPerRequest.toFixed(1)} us of host a request`;

for (const [streams, wanted] of WANTED) {
  line(`\n${streams} streams, each policy through the load once`);
  const runs = Array.from({ length: SEEDS }, (_, seed) => run(streams, { seed: seed + 1, requests: demands.length }));
  const rates = runs.map(({ iops }) => iops);
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / SEEDS;
  const deviation = Math.sqrt(rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / (SEEDS - 1));
  // Student's t for 9 degrees of freedom, 95 %.
  const half = (2.262 * deviation) / Math.sqrt(SEEDS);
  const p99 = Math.max(...runs.map(({ reads }) => reads.p99));
  const write = Math.max(...runs.map(({ writes }) => writes.most));
  const misses = runs.reduce((sum, { streams: { missed: late } }) => sum + late, 0);
  line(
    `  ${OURS!.name}: ${mean.toFixed(1)} ± ${half.toFixed(1)} requests/s over ${SEEDS} seeds; at least ${wanted}: ${judge(mean - half >= wanted)}`,
  );
  line(
    `    ${misses} deadlines missed: ${judge(misses === 0)}; worst reads p99 ${p99.toFixed(0)} ms: ${judge(p99 <= READ_P99)}; longest write ${write.toFixed(0)} ms: ${judge(write <= WRITE_MOST)}`,
  );
  for (const policy of OTHERS) {
    const figures = run(streams, { policy, milliseconds: 100_000 });
    line(`  ${policy.name}: ${missed(figures)}, ${shown(figures)}`);
  }
}

line(`\n${PERIODS} periods`);
for (const streams of [4, 12, 20, 28, 32, 40]) {
  const figures = run(streams, { periods: PERIODS });
  line(`  ${streams} streams: ${missed(figures)}: ${judge(figures.streams.missed === 0)}; ${shown(figures)}`);
}

line("\nhard page faults, four a second from a page file of 1 GiB, under a background that keeps its requests open");
const backgrounds = [
  { name: "the calibration load", load: demands },
  ...[8, 128].map((sectors) => ({ name: `${sectors} sectors at random all over the disk`, load: anywhere(sectors) })),
];
for (const [place, first] of PAGE_FILES) {
  const idle = faultLatency(first, 0, demands);
  line(`  the page file ${place}; idle: p99 ${idle.toFixed(1)} ms`);
  for (const { name, load } of backgrounds)
    for (const depth of [1, 4, 32, 128, 1024]) {
      const p99 = faultLatency(first, depth, load);
      const figures = `p99 ${p99.toFixed(1)} ms, ${(p99 / idle).toFixed(2)}x of idle`;
      line(`    ${name}, depth ${depth}: ${figures}: ${judge(p99 <= 2 * idle)}`);
    }
}

line("\nrounds against their bound");
const { rounds, over, closest } = adversarialRounds(100_000, 1);
line(
  `  ${rounds} random and adversarial rounds, ${over} over it: ${judge(over === 0)}; the longest took ${(closest * 100).toFixed(1)} % of it`,
);
const example = {
  cylinders: 10_000,
  seekTime: (way: number) => (way === 0 ? 0 : 0.8 + 0.02 * Math.sqrt(way)),
  rotation: 25 / 3,
  transfer: 1.25,
  overhead: 0.3,
};
line(
  `  a round of 16 takes at most ${serviceBound(16, example).toFixed(4)} ms; within 200 ms go ${roundSize(200, example)}`,
);

line(`\nthe order inside a round against the best order and the assignment bound, ${ORDER_SEEDS} rounds of each size`);
const percent = ({ worst, mean }: Excess) =>
  `${(worst * 100).toFixed(2)} % at worst, ${(mean * 100).toFixed(2)} % in the mean`;
for (const [least, most] of [
  [1, 12],
  [13, 31],
  [32, 64],
] as const) {
  const sizes = Array.from({ length: most + 1 - least }, (_, index) => least + index);
  const { solved, aboveBest, aboveAssignment, bestAboveAssignment, aboveLower } = roundOrders(sizes, ORDER_SEEDS);
  const rest = sizes.length * ORDER_SEEDS - solved;
  line(
    `  ${least} to ${most} stops: above the best ${percent(aboveBest)}, of ${solved} rounds: ${judge(aboveBest.worst <= 0.02)}`,
  );
  if (rest > 0)
    line(
      `    ${rest} others, whose best is not known, above the bound raised ${percent(aboveLower)}: ${judge(most > 31 && aboveLower.worst <= 0.03)}`,
    );
  // Of few stops even the best order is farther above the bound: there its mean is held to it.
  const held = most > 31 ? aboveAssignment.worst : aboveAssignment.mean;
  line(
    `    above the assignment bound ${percent(aboveAssignment)}: ${judge(held <= 0.08)}; the best ${percent(bestAboveAssignment)}`,
  );
}
process.exitCode = passed ? 0 : 1;
