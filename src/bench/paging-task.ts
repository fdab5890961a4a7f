import { fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { EngineKind } from "../hypervisor/index.ts";
import type { AccessTimes } from "./access-times.ts";
import type { AddressStream } from "./address-stream.ts";
import type { FillTask, FillTimes } from "./fill-times.ts";
import type { LargePageCounts, LargePageTimes } from "./large-regions.ts";
import type { StreamCounts } from "./stream-counts.ts";
import type { StreamTimes } from "./stream-times.ts";
import type { PageString, WorkingSetCounts } from "./working-set.ts";

/** What one process does, whose call sites have seen nothing else. */
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

/**
 * Does a task in a process of its own. A thread would do for clean call sites, but not for clean memory; and V8 24 has been seen
 * to abort (`jit_page.has_value()`) where threads that compiled much come and go.
 */
export function performed<T extends PagingTask>(task: T): Promise<PagingResults[T["work"]]> {
  // From the sources and from the build alike: the program has the extension that this file has.
  const program = new URL(`./paging-process${extname(import.meta.url)}`, import.meta.url);
  const child = fork(fileURLToPath(program), { serialization: "advanced" });
  return new Promise((resolve, reject) => {
    child.once("message", (answer) => resolve(answer as PagingResults[T["work"]]));
    child.once("error", reject);
    // Without effect where an answer came before.
    child.once("exit", (code, signal) =>
      reject(new Error(`a process of the benchmark ended with ${signal ?? code} before it had measured anything`)),
    );
    child.send(task);
  });
}
