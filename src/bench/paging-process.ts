import { accessTimes } from "./access-times.ts";
import { fillTimes } from "./fill-times.ts";
import { largePageCounts, largePageTimes } from "./large-regions.ts";
import { pagedSet, randomOrder } from "./paged-set.ts";
import type { PagingResults, PagingTask } from "./paging-task.ts";
import { streamCounts } from "./stream-counts.ts";
import { streamTimes } from "./stream-times.ts";
import { workingSetRuns } from "./working-set.ts";

function perform(task: PagingTask): PagingResults[PagingTask["work"]] {
  switch (task.work) {
    case "access":
      return accessTimes(task.engine, pagedSet(task.bytes, randomOrder(task.bytes), task.largePages));
    case "fills":
      return fillTimes(task);
    case "stream times":
      return streamTimes(task.engine, task.stream);
    case "stream counts":
      return streamCounts(task.stream);
    case "working sets":
      return workingSetRuns(task.string);
    case "large page counts":
      return largePageCounts();
    case "large page times":
      return largePageTimes();
  }
}

process.once("message", (task) => {
  process.send?.(perform(task as PagingTask));
  process.disconnect();
});
