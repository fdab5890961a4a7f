import { PAGE_SIZE, type PageRun, type PhysicalMemory } from "../binary/index.ts";
import type { DumpPolicy } from "../host/index.ts";
import { split, tidied } from "./page-runs.ts";

/** Which pages of a partition go where. */
export interface PageChoice {
  /** Into the dump, readable by everybody who has it. */
  readonly open: readonly PageRun[];
  /** Nowhere but under seal. All private pages, also those of zeros: which of them are empty is private too. */
  readonly private: readonly PageRun[];
}

const BATCH_PAGES = 256;
const ZEROS = new Uint8Array(PAGE_SIZE);

/** Sorts the pages of a stopped partition by its owner's policy. */
export function choosePages(
  memory: PhysicalMemory,
  privatePages: readonly PageRun[],
  policy: Pick<DumpPolicy, "leaveOut">,
): PageChoice {
  const { inside, outside } = split(tidied(memory.runs()), tidied(privatePages));
  const open = policy.leaveOut.includes("zero") ? withoutZeros(memory, outside) : outside;
  return { open, private: inside };
}

function withoutZeros(memory: PhysicalMemory, runs: readonly PageRun[]): PageRun[] {
  const kept: { firstPage: number; pageCount: number }[] = [];
  const keep = (page: number) => {
    const last = kept.at(-1);
    if (last && last.firstPage + last.pageCount === page) last.pageCount++;
    else kept.push({ firstPage: page, pageCount: 1 });
  };
  for (const { firstPage, pageCount } of runs)
    for (let done = 0; done < pageCount; done += BATCH_PAGES) {
      const first = firstPage + done;
      const count = Math.min(BATCH_PAGES, pageCount - done);
      const bytes = memory.read(first * PAGE_SIZE, count * PAGE_SIZE);
      for (let index = 0; index < count; index++)
        if (Buffer.compare(bytes.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE), ZEROS) !== 0)
          keep(first + index);
    }
  return kept;
}
