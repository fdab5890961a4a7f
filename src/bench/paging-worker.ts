import { parentPort, workerData } from "node:worker_threads";
import type { EngineKind } from "../hypervisor/index.ts";
import { pagedSet, randomOrder } from "./paged-set.ts";
import { accessTimes } from "./paging-subject.ts";

/** What one worker measures: one engine on one set, in a thread whose call sites have seen no other. */
export interface PagingTask {
  readonly engine: EngineKind;
  readonly bytes: number;
  readonly largePages: boolean;
}

const { engine, bytes, largePages } = workerData as PagingTask;
parentPort?.postMessage(accessTimes(engine, pagedSet(bytes, randomOrder(bytes), largePages)));
