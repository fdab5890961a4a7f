import { PAGE_SIZE, type PageRun, StopcodeError } from "../../binary/index.ts";
import type { DumpImage, PageSource } from "../image.ts";
import { DUMP_HEADER_SIZE, DUMP_TYPE, MAX_HEADER_RUNS } from "./dump-header.ts";
import { checkImageHeader, imageHeader } from "./image-header.ts";
import { pageChunks, pagesIn } from "./page-chunks.ts";

/** Runs that touch, told as one: the header has few slots. */
function joined(runs: readonly PageRun[]): PageRun[] {
  const result: { firstPage: number; pageCount: number }[] = [];
  for (const { firstPage, pageCount } of runs) {
    const last = result.at(-1);
    if (last !== undefined && last.firstPage + last.pageCount === firstPage) last.pageCount += pageCount;
    else if (pageCount > 0) result.push({ firstPage, pageCount });
  }
  return result;
}

/**
 * A full dump (type 1): the header, which holds the page map, then the pages. Source: windows-dump.md sections 3a and 7.
 *
 * `header` is the DUMP_HEADER64 that the guest keeps ready; what depends on the pages written is filled in here.
 *
 * @throws StopcodeError `dump/bad-header`; `dump/too-many-runs` when the memory has more than 42 runs
 */
export function windowsFullDump({ header, pages }: { header: Uint8Array; pages: PageSource }): DumpImage {
  checkImageHeader(header);
  const runs = joined(pages.runs);
  if (runs.length > MAX_HEADER_RUNS)
    throw new StopcodeError(
      "dump/too-many-runs",
      `the memory has ${runs.length} runs of pages, a full dump can describe ${MAX_HEADER_RUNS}`,
      { hint: "write a bitmap dump: its page map has room for any holes" },
    );
  const count = pagesIn(pages);
  const bytes = DUMP_HEADER_SIZE + count * PAGE_SIZE;
  return {
    bytes,
    pages: count,
    *chunks() {
      yield imageHeader(header, { dumpType: DUMP_TYPE.full, bytes, runs });
      yield* pageChunks(pages);
    },
  };
}
