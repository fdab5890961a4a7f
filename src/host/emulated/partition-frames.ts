import type { PageRun } from "../../binary/index.ts";
import type { Partition } from "../../hypervisor/index.ts";
import type { PartitionFrames } from "../host.ts";

/** A partition's system page frames: its own, and behind its private marks also those that others lent it. */
export function framesOf(partition: Partition): PartitionFrames {
  const { memory, name } = partition;
  const own: number[] = [];
  for (let page = 0; page < memory.pages; page++) if (memory.ownsFrame(page)) own.push(memory.hostFrame(page)!);
  const marked: number[] = [];
  for (const { firstPage, pageCount } of partition.privateRuns())
    for (let page = firstPage; page < firstPage + pageCount; page++) {
      const frame = memory.hostFrame(page);
      if (frame !== null) marked.push(frame);
    }
  return { partition: name, frames: asRuns(own), privateFrames: asRuns(marked) };
}

function asRuns(frames: readonly number[]): PageRun[] {
  const runs: { firstPage: number; pageCount: number }[] = [];
  for (const frame of Uint32Array.from(frames).sort()) {
    const last = runs.at(-1);
    if (last && last.firstPage + last.pageCount === frame) last.pageCount++;
    else runs.push({ firstPage: frame, pageCount: 1 });
  }
  return runs;
}
