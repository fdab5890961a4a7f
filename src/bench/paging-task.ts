import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { EngineKind } from "../hypervisor/index.ts";
import type { AccessTimes } from "./access-times.ts";
import type { AddressStream } from "./address-stream.ts";
import type { FillTask, FillTimes } from "./fill-times.ts";
import type { LargePageCounts, LargePageTimes } from "./large-regions.ts";
import type { StreamCounts } from "./stream-counts.ts";
import type { StreamTimes } from "./stream-times.ts";
import type { PageString, WorkingSetCounts } from "./working-set.ts";

/** What one worker does, in a thread whose call sites have seen nothing else. */
export type PagingTask =
  | { readonly work: "access"; readonly engine: EngineKind; readonly bytes: number; readonly largePages: boolean }
  | ({ readonly work: "fills" } & FillTask)
  | { readonly work: "stream times"; readonly engine: EngineKind; readonly stream: AddressStream }
  | { readonly work: "stream counts"; readonly stream: AddressStream }
  | { readonly work: "working sets"; readonly string: PageString }
  | { readonly work: "large page counts" }
  | { readonly work: "large page times" };

/** What comes of it. */
export interface PagingResults {
  readonly access: AccessTimes;
  readonly fills: FillTimes;
  readonly "stream times": StreamTimes;
  readonly "stream counts": StreamCounts;
  readonly "working sets": readonly WorkingSetCounts[];
  readonly "large page counts": LargePageCounts;
  readonly "large page times": LargePageTimes;
}

/** Does a task in a worker of its own. */
export function performed<T extends PagingTask>(task: T): Promise<PagingResults[T["work"]]> {
  // From the sources and from the build alike: the worker has the extension that this file has.
  const worker = new Worker(new URL(`./paging-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: task,
  });
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    // Without effect where an answer came before.
    worker.once("exit", (code) => reject(new Error(`a worker ended with ${code} before it had measured anything`)));
  });
}
