import type { EngineKind } from "../hypervisor/index.ts";
import type { AddressStream } from "./address-stream.ts";
import type {
  AccessFigure,
  FillFigure,
  LargePageFigure,
  StreamEngineFigure,
  StreamFigure,
  WorkingSetFigure,
} from "./figures.ts";
import type { FillTask } from "./fill-times.ts";
import { accessGoals, fillGoals, type Goal, largePageGoals, sizeText, streamGoals, workingSetGoals } from "./goals.ts";
import { performed } from "./paging-task.ts";
import type { PageString } from "./working-set.ts";

/** A figure as it comes, with its goals. */
export type PagingAnswer = { readonly goals: readonly Goal[] } & (
  | { readonly kind: "access"; readonly figure: AccessFigure }
  | { readonly kind: "fill"; readonly figure: FillFigure }
  | { readonly kind: "stream"; readonly figure: StreamFigure }
  | { readonly kind: "working set"; readonly figure: WorkingSetFigure }
  | { readonly kind: "large"; readonly figure: LargePageFigure }
);

/** One line of the benchmark, to be measured. */
export interface Measurement {
  /** As the progress line says it. */
  readonly what: string;
  /** What it took on the machine it was first run on: what is left of a run is told by proportion. */
  readonly seconds: number;
  readonly measure: () => Promise<PagingAnswer>;
}

export const ENGINES: readonly EngineKind[] = ["walk", "tlb", "shadow"];

export function accessMeasurement(engine: EngineKind, bytes: number, largePages: boolean): Measurement {
  return {
    what: `${engine} on ${sizeText(bytes)}${largePages ? " of large pages" : ""}`,
    seconds: 1.5 + bytes / 2 ** 25,
    async measure() {
      const times = await performed({ work: "access", engine, bytes, largePages });
      const figure: AccessFigure = {
        ...{ engine, bytes, pages: largePages ? "2 MiB" : "4 KiB" },
        ...times,
        readRatio: times.read / times.rawRead,
        readInRunsRatio: times.readInRuns / times.rawRead,
        rawWriteToRead: times.rawWrite / times.rawRead,
        writeToRead: times.write / times.read,
        writeToReadInRuns: times.writeInRuns / times.readInRuns,
      };
      return { kind: "access", figure, goals: accessGoals(figure) };
    },
  };
}

export function fillMeasurement(task: FillTask): Measurement {
  return {
    what: `shadow fills, ${task.batch} a fault, ${task.order}${task.untouched ? ", with a flag to be set" : ""}`,
    seconds: 2,
    async measure() {
      const times = await performed({ work: "fills", ...task });
      const figure: FillFigure = { ...task, ...times, ratio: times.fill / times.rawRead };
      return { kind: "fill", figure, goals: fillGoals(figure) };
    },
  };
}

export function streamMeasurement(stream: AddressStream, isSequential: boolean): Measurement {
  return {
    what: `the stream ${stream.name}`,
    seconds: 2 + stream.lows.length / 100_000,
    async measure() {
      const counts = await performed({ work: "stream counts", stream });
      const engines: StreamEngineFigure[] = [];
      for (const engine of ENGINES) {
        const times = await performed({ work: "stream times", engine, stream });
        const { raw, oneByOne, inRuns } = times;
        engines.push({ engine, ...times, oneByOneRatio: oneByOne / raw, inRunsRatio: inRuns / raw });
      }
      const figure: StreamFigure = { stream: stream.name, isSequential, ...counts, engines };
      return { kind: "stream", figure, goals: streamGoals(figure) };
    },
  };
}

export function workingSetMeasurement(string: PageString): Measurement {
  return {
    what: `the page string ${string.name}`,
    seconds: 1 + string.pages.length / 50_000,
    async measure() {
      const runs = await performed({ work: "working sets", string });
      const figure: WorkingSetFigure = { string: string.name, runs };
      return { kind: "working set", figure, goals: workingSetGoals(figure) };
    },
  };
}

export const largePageMeasurement: Measurement = {
  what: "large pages",
  seconds: 2,
  async measure() {
    const counts = await performed({ work: "large page counts" });
    const figure: LargePageFigure = { ...counts, ...(await performed({ work: "large page times" })) };
    return { kind: "large", figure, goals: largePageGoals(figure) };
  },
};
