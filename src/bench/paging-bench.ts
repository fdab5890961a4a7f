import { cpus } from "node:os";
import { StopcodeError } from "../binary/index.ts";
import { aligned, sequentialStream } from "./address-stream.ts";
import { PAGING_PARTS, type PagingBench, type PagingPart } from "./figures.ts";
import { BATCH, type FillTask } from "./fill-times.ts";
import {
  accessMeasurement,
  ENGINES,
  fillMeasurement,
  largePageMeasurement,
  type Measurement,
  type PagingAnswer,
  streamMeasurement,
  workingSetMeasurement,
} from "./measurements.ts";
import { readTrace, type Trace } from "./trace-file.ts";
import { loopString } from "./working-set.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Set sizes, from the first cache to far beyond the last. */
const SETS = [16 * KIB, 256 * KIB, 4 * MIB, 32 * MIB, 256 * MIB] as const;

const FILLS: readonly FillTask[] = [
  { pages: 8192, batch: 1, untouched: false, order: "ascending" },
  { pages: 8192, batch: BATCH, untouched: false, order: "ascending" },
  { pages: 8192, batch: 1, untouched: true, order: "ascending" },
  { pages: 65_536, batch: 1, untouched: false, order: "random" },
  { pages: 65_536, batch: BATCH, untouched: false, order: "random" },
];

export interface PagingBenchOptions {
  /** All, where none is named. */
  readonly parts: readonly PagingPart[];
  /** Files with address streams and page strings, for the part `streams`. */
  readonly traces: readonly string[];
}

/** How far a run is. */
export interface PagingBenchProgress {
  /** What is being measured. */
  readonly what: string;
  readonly done: number;
  readonly total: number;
  /** Null until something has been measured. */
  readonly secondsLeft: number | null;
}

/**
 * Measures what was asked for, one thing after the other.
 * @param onProgress hears what comes next
 * @throws StopcodeError `usage/trace-unused`, and as `readTrace` does, before anything is measured
 */
export async function benchPaging(
  options: PagingBenchOptions,
  onProgress: (progress: PagingBenchProgress) => void,
): Promise<PagingBench> {
  const begun = performance.now();
  const measurements = measurementsOf(options);
  const allSeconds = measurements.reduce((sum, { seconds }) => sum + seconds, 0);
  const answers: PagingAnswer[] = [];
  let expected = 0;
  for (const { what, seconds, measure } of measurements) {
    const taken = (performance.now() - begun) / 1000;
    onProgress({
      ...{ what, done: answers.length, total: measurements.length },
      secondsLeft: expected === 0 ? null : (taken / expected) * (allSeconds - expected),
    });
    answers.push(await measure());
    expected += seconds;
  }
  return {
    node: process.version,
    processor: cpus()[0]?.model ?? "unknown",
    seconds: (performance.now() - begun) / 1000,
    access: answers.flatMap((answer) => (answer.kind === "access" ? [answer.figure] : [])),
    fills: answers.flatMap((answer) => (answer.kind === "fill" ? [answer.figure] : [])),
    streams: answers.flatMap((answer) => (answer.kind === "stream" ? [answer.figure] : [])),
    workingSets: answers.flatMap((answer) => (answer.kind === "working set" ? [answer.figure] : [])),
    large: answers.flatMap((answer) => (answer.kind === "large" ? [answer.figure] : [])),
    goals: answers.flatMap(({ goals }) => goals),
  };
}

function measurementsOf({ parts, traces }: PagingBenchOptions): Measurement[] {
  const asked = parts.length === 0 ? PAGING_PARTS : PAGING_PARTS.filter((part) => parts.includes(part));
  if (traces.length > 0 && !asked.includes("streams"))
    throw new StopcodeError("usage/trace-unused", "a trace was given, but streams are not to be measured", {
      hint: "add --only streams",
    });
  const read = traces.map(readTrace);
  return asked.flatMap((part) => measurementsOfPart(part, read));
}

function measurementsOfPart(part: PagingPart, traces: readonly Trace[]): Measurement[] {
  switch (part) {
    case "access":
      return [
        ...ENGINES.flatMap((engine) => SETS.map((bytes) => accessMeasurement(engine, bytes, false))),
        ...ENGINES.map((engine) => accessMeasurement(engine, 256 * MIB, true)),
      ];
    case "fills":
      return FILLS.map(fillMeasurement);
    case "streams":
      return [
        streamMeasurement(sequentialStream(), true),
        ...traces.flatMap((trace) => (trace.kind === "addresses" ? [streamMeasurement(aligned(trace), false)] : [])),
        workingSetMeasurement(loopString()),
        ...traces.flatMap((trace) => (trace.kind === "pages" ? [workingSetMeasurement(trace)] : [])),
      ];
    case "large":
      return [largePageMeasurement];
  }
}
