import type { PolicyFigure, StorageBench, StorageBounds } from "../bench/index.ts";
import { bold, columns, count, counted, dim, green, printable, red } from "./style.ts";

/** What a column says of a policy, and of the best that there can be. */
type Column = readonly [head: string, cell: (figure: PolicyFigure) => string, best?: string];

/** Of deadlines, throughput and latencies. */
const SERVICE: readonly Column[] = [
  ["policy", ({ policy }) => printable(policy)],
  ["missed", ({ streams }) => missed(streams)],
  ["95 % interval", ({ streams: { missRatio } }) => (missRatio === null ? "" : interval(missRatio))],
  ["latest", ({ streams }) => (streams.missed === 0 ? "" : milliseconds(streams.maximumTardiness))],
  ["requests/s", ({ iops }) => iops.toFixed(1)],
  ["MB/s", ({ megabytesPerSecond }) => megabytesPerSecond.toFixed(1)],
  ["reads: median", ({ reads }) => milliseconds(reads.p50)],
  ["99 %", ({ reads }) => milliseconds(reads.p99)],
  ["longest", ({ reads }) => milliseconds(reads.most)],
  ["writes: 99 %", ({ writes }) => milliseconds(writes.p99)],
  ["longest", ({ writes }) => milliseconds(writes.most)],
];

/** Of order, the arm, and the host's time. */
const CONDUCT: readonly Column[] = [
  ["fairness", ({ streams: { fairness } }) => fairness?.toFixed(3) ?? ""],
  ["queue", ({ queueDepth }) => queueDepth.toFixed(1)],
  ["seek", ({ arm }) => percent(arm.seek)],
  ["turn", ({ arm }) => percent(arm.rotation)],
  ["transfer", ({ arm }) => percent(arm.transfer)],
  ["dispatch", ({ dispatchMicroseconds }) => `${dispatchMicroseconds.toFixed(2)} us`],
  ["host", ({ microsecondsPerRequest }) => `${microsecondsPerRequest.toFixed(1)} us`],
];

/** Three tables for each load and number of streams: what requests got, how the policy went about it, and how far it is from the possible. */
export function storageBenchScreen(bench: StorageBench): string {
  const groups = Map.groupBy(bench.runs, ({ load, streamCount }) => `${load}\n${streamCount}`);
  const tables = [...groups.values()].flatMap((runs) => {
    const [{ load, streamCount, seconds }] = runs as [PolicyFigure, ...PolicyFigure[]];
    const title = `${counted(streamCount, "stream")} of ${bench.isVariable ? "about " : ""}2.1 Mbit/s every ${bench.periods.join(", ")} ms beside ${printable(load)} ${pace(bench)}, ${count(Math.round(seconds))} s`;
    return [
      "",
      `  ${bold(title)}`,
      ...table(runs, SERVICE),
      "",
      ...table(runs, [SERVICE[0]!, ...inversions(runs), ...CONDUCT]),
      "",
      ...possible(runs, bench.bounds.find((bounds) => bounds.load === load && bounds.streamCount === streamCount)!),
    ];
  });
  const rates = bench.devices.map(
    ({ device, requestsPerSecond }) => `${count(Math.round(requestsPerSecond))} on ${printable(device)}`,
  );
  const speed = dim(`  requests of 4 KiB that this host simulates in a second: ${rates.join(", ")}`);
  return ["", `  ${printable(bench.disk)} · ${seeds(bench)}`, ...tables, "", speed, ""].join("\n");
}

function table(runs: readonly PolicyFigure[], shown: readonly Column[]): string[] {
  const best = shown.map(([, , possible = ""]) => dim(possible));
  const rows = [shown.map(([head]) => dim(head)), ...runs.map((run) => shown.map(([, cell]) => cell(run)))];
  if (shown.some(([, , possible]) => possible !== undefined)) rows.splice(1, 0, best);
  const numbers = shown.flatMap((_, column) => (column === 0 ? [] : [column]));
  return columns(rows, numbers).map((line) => `  ${line}`.trimEnd());
}

/** A column for each kind of request but the lowest, which waits behind no lower one. */
function inversions(runs: readonly PolicyFigure[]): Column[] {
  const most = runs
    .map(({ kinds }) => kinds)
    .reduce((kinds, others) => (others.length > kinds.length ? others : kinds));
  return most
    .slice(0, -1)
    .map(({ kind }, index) => [
      `${index === 0 ? "inversion: " : ""}${kind}`,
      ({ kinds }) => milliseconds(kinds.find((one) => one.kind === kind)?.inversion ?? 0),
    ]);
}

/** How far each policy is from what is possible. */
function possible(runs: readonly PolicyFigure[], { leastMisses: { missed: least, periods }, ceilings }: StorageBounds) {
  const ofCeiling = (head: string, ceiling: number): Column => [
    head,
    ({ iops }) => (ceiling === 0 ? "" : percent(iops / ceiling)),
    `estimate ${ceiling.toFixed(1)}`,
  ];
  const unavoidable = `lower bound ${(100 * (least / periods)).toFixed(1)} %`;
  const shown: Column[] = [
    ["policy", ({ policy }) => printable(policy), "at best"],
    ["missed", ({ streams }) => missed(streams), periods === 0 ? "" : unavoidable],
    ["seek a request", ({ seek }) => exact(seek.perRequest)],
    ["its least in 1 period", ({ seek }) => exact(seek.leastInPeriod), "lower bound"],
    ["in 10 periods", ({ seek }) => exact(seek.leastInTenPeriods), "lower bound"],
  ];
  if (ceilings !== null)
    shown.push(
      ofCeiling("of SPTF's requests/s", ceilings.withoutDeadlines),
      ofCeiling("of zero-miss ceiling", ceilings.withoutMisses),
    );
  return table(runs, shown);
}

function missed({ missed: misses, missRatio }: PolicyFigure["streams"]): string {
  if (missRatio === null) return "";
  return (misses === 0 ? green : red)(`${(100 * missRatio.ratio).toFixed(1)} %`);
}

const interval = ({ low, high }: { readonly low: number; readonly high: number }): string =>
  `${(100 * low).toFixed(2)} to ${(100 * high).toFixed(2)} %`;

const seeds = ({ seeds: [first, ...others] }: StorageBench): string =>
  others.length === 0 ? `seed ${first}` : `seeds ${first} to ${others.at(-1)}`;

const pace = ({ depth, utilisation }: StorageBench): string =>
  utilisation === null ? `at depth ${depth}` : `at ${utilisation} % utilisation`;

const percent = (share: number): string => `${Math.round(100 * share)} %`;

const exact = (time: number): string => `${time.toFixed(2)} ms`;

const milliseconds = (time: number): string => `${count(Math.round(time))} ms`;
