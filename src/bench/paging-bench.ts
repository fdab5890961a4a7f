import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { EngineKind } from "../hypervisor/index.ts";
import type { AccessTimes } from "./paging-subject.ts";
import type { PagingTask } from "./paging-worker.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Set sizes, from the first cache to far beyond the last. */
const SETS = [16 * KIB, 256 * KIB, 4 * MIB, 32 * MIB, 256 * MIB] as const;

const ENGINES: readonly EngineKind[] = ["walk", "tlb", "shadow"];

/** One line of the table: an engine on a set. Times are nanoseconds for 8 bytes; ratios are to the raw access beside it. */
export interface PagingFigure extends AccessTimes {
  readonly engine: EngineKind;
  readonly bytes: number;
  readonly pages: "4 KiB" | "2 MiB";
  readonly readRatio: number;
  readonly readInRunsRatio: number;
  /** Of accesses in runs. */
  readonly writeToRead: number;
}

/** The document of `bench paging --json`. */
export interface PagingBench {
  readonly node: string;
  readonly figures: readonly PagingFigure[];
}

/** Measures every engine on every set, one after the other. @param onFigure hears each as it comes */
export async function benchPaging(
  onFigure: (figure: PagingFigure, done: number, total: number) => void,
): Promise<PagingBench> {
  const small = ENGINES.flatMap((engine) => SETS.map((bytes) => ({ engine, bytes, largePages: false })));
  const large = ENGINES.map((engine) => ({ engine, bytes: 256 * MIB, largePages: true }));
  const figures: PagingFigure[] = [];
  const tasks: readonly PagingTask[] = [...small, ...large];
  for (const task of tasks) {
    const times = await measured(task);
    const figure = {
      ...{ engine: task.engine, bytes: task.bytes, pages: task.largePages ? ("2 MiB" as const) : ("4 KiB" as const) },
      ...times,
      readRatio: times.read / times.rawRead,
      readInRunsRatio: times.readInRuns / times.rawRead,
      writeToRead: times.writeInRuns / times.readInRuns,
    };
    figures.push(figure);
    onFigure(figure, figures.length, tasks.length);
  }
  return { node: process.version, figures };
}

function measured(task: PagingTask): Promise<AccessTimes> {
  // From the sources and from the build alike: the worker has the extension that this file has.
  const worker = new Worker(new URL(`./paging-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: task,
  });
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}
