import { hex, PAGE_SIZE, type PageRun } from "../../binary/index.ts";
import type { DumpProblem } from "../dump.ts";
import { ExtentTable } from "../extents.ts";
import type { DumpFile } from "../file.ts";
import { DUMP_HEADER_SIZE, dumpHeader64 } from "./dump-header.ts";
import type { ReadHeader } from "./header-reader.ts";
import { type PageMap, pagesBehind } from "./page-map.ts";

/** The page map of a full dump (type 1): the runs in its header, their pages packed in that order. Source: windows-dump.md section 3a. */
export function runMap(file: DumpFile, { raw, header }: ReadHeader, problems: DumpProblem[]): PageMap {
  const bad = (message: string, field: keyof typeof dumpHeader64.fields) =>
    problems.push({ code: "bad-page-map", message, offset: dumpHeader64.fields[field].offset });
  const described = header.memoryRuns ?? [];
  if (described.length === 0) bad(`the header describes no memory: it says ${raw.numberOfRuns} runs`, "numberOfRuns");
  const pages = described.reduce((sum, run) => sum + run.pageCount, 0);
  if (pages !== raw.numberOfPages)
    bad(`the header says ${raw.numberOfPages} pages, its runs have ${pages}`, "numberOfPages");

  const stored = new ExtentTable();
  let offset = DUMP_HEADER_SIZE;
  let readable = 0;
  for (const { firstPage, pageCount } of described) {
    const held = Math.min(pageCount, pagesBehind(file, offset));
    if (held > 0) stored.add(firstPage * PAGE_SIZE, (firstPage + held) * PAGE_SIZE, offset);
    readable += held;
    offset += pageCount * PAGE_SIZE;
  }
  const extents = stored.sorted();
  const runs: PageRun[] = Array.from({ length: extents.count }, (_, index) => ({
    firstPage: extents.start(index) / PAGE_SIZE,
    pageCount: (extents.end(index) - extents.start(index)) / PAGE_SIZE,
  }));
  const distinct = runs.reduce((sum, run) => sum + run.pageCount, 0);
  if (distinct < readable) bad(`${hex(readable - distinct)} pages are described by two runs`, "physicalMemoryRuns");
  return {
    pages,
    readable,
    offsetOf(pfn) {
      const index = extents.find(pfn * PAGE_SIZE);
      return index < 0 ? -1 : extents.offset(index) + (pfn * PAGE_SIZE - extents.start(index));
    },
    runs: () => runs,
  };
}
