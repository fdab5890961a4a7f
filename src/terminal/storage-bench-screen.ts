import type { PolicyFigure, StorageBench } from "../bench/index.ts";
import { bold, columns, count, counted, dim, green, printable, red } from "./style.ts";

const HEAD = [
  "policy",
  "missed",
  "latest",
  "requests/s",
  "MB/s",
  "reads: median",
  "99 %",
  "longest",
  "writes: 99 %",
  "longest",
  "seek",
  "turn",
  "transfer",
  "dispatch",
  "host",
];
const NUMBERS = HEAD.flatMap((_, column) => (column === 0 ? [] : [column]));

/** A table for each load and number of streams: deadlines, throughput, latencies, and what the policy costs the host. */
export function storageBenchScreen(bench: StorageBench): string {
  const groups = Map.groupBy(bench.runs, ({ load, streamCount }) => `${load}\n${streamCount}`);
  const tables = [...groups.values()].flatMap((runs) => {
    const [{ load, streamCount, seconds }] = runs as [PolicyFigure, ...PolicyFigure[]];
    const title = `${counted(streamCount, "stream")} of ${bench.isVariable ? "about " : ""}2.1 Mbit/s every ${bench.periods.join(", ")} ms beside ${printable(load)} ${pace(bench)}, ${count(Math.round(seconds))} s`;
    return [
      "",
      `  ${bold(title)}`,
      ...columns([HEAD.map(dim), ...runs.map(row)], NUMBERS).map((line) => `  ${line}`.trimEnd()),
    ];
  });
  const rates = bench.devices.map(
    ({ device, requestsPerSecond }) => `${count(Math.round(requestsPerSecond))} on ${printable(device)}`,
  );
  const speed = dim(`  requests of 4 KiB that this host simulates in a second: ${rates.join(", ")}`);
  return ["", `  ${printable(bench.disk)} · seed ${bench.seed}`, ...tables, "", speed, ""].join("\n");
}

function row({
  policy,
  streams,
  iops,
  megabytesPerSecond,
  reads,
  writes,
  arm,
  microsecondsPerRequest,
  dispatchMicroseconds,
}: PolicyFigure): string[] {
  const share = streams.periods === 0 ? "" : `${((100 * streams.missed) / streams.periods).toFixed(1)} %`;
  return [
    printable(policy),
    streams.missed === 0 ? green(share) : red(share),
    streams.missed === 0 ? "" : milliseconds(streams.latest),
    iops.toFixed(1),
    megabytesPerSecond.toFixed(1),
    milliseconds(reads.p50),
    milliseconds(reads.p99),
    milliseconds(reads.most),
    milliseconds(writes.p99),
    milliseconds(writes.most),
    ...[arm.seek, arm.rotation, arm.transfer].map((part) => `${Math.round(100 * part)} %`),
    `${dispatchMicroseconds.toFixed(2)} us`,
    `${microsecondsPerRequest.toFixed(1)} us`,
  ];
}

const pace = ({ depth, utilisation }: StorageBench): string =>
  utilisation === null ? `at depth ${depth}` : `at ${utilisation} % utilisation`;

const milliseconds = (time: number): string => `${count(Math.round(time))} ms`;
