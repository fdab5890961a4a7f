import { PAGE_SIZE, type PageRun } from "../../binary/index.ts";
import type { DumpImage, PageSource } from "../image.ts";
import { BITMAP_HEADER_SIZE, BITMAP_SIGNATURE, bitmapHeader } from "./bitmap-header.ts";
import { DUMP_HEADER_SIZE, DUMP_TYPE, MAX_HEADER_RUNS } from "./dump-header.ts";
import { checkImageHeader, imageHeader } from "./image-header.ts";
import { byteChunks, pageChunks, pagesIn } from "./page-chunks.ts";

const BITMAP_START = DUMP_HEADER_SIZE + BITMAP_HEADER_SIZE;

const alignUp = (value: number, to: number) => Math.ceil(value / to) * to;

/** Sets `count` bits from bit `first`, whole bytes at once. */
function setBits(bitmap: Uint8Array, first: number, count: number): void {
  let bit = first;
  const end = first + count;
  for (; bit < end && bit % 8 !== 0; bit++) bitmap[Math.floor(bit / 8)]! |= 1 << (bit % 8);
  const wholeEnd = Math.floor(end / 8);
  if (bit < end && bit / 8 < wholeEnd) {
    bitmap.fill(0xff, bit / 8, wholeEnd);
    bit = wholeEnd * 8;
  }
  for (; bit < end; bit++) bitmap[Math.floor(bit / 8)]! |= 1 << (bit % 8);
}

/** At most 42 runs that cover all of `runs`: the smallest holes are closed first. The bitmap stays exact. */
function coveringRuns(runs: readonly PageRun[]): PageRun[] {
  const holes = runs.slice(1).map((run, index) => {
    const before = runs[index]!;
    return { at: index + 1, pages: run.firstPage - before.firstPage - before.pageCount };
  });
  const kept = holes.toSorted((a, b) => b.pages - a.pages).slice(0, MAX_HEADER_RUNS - 1);
  const starts = [0, ...kept.map((hole) => hole.at).toSorted((a, b) => a - b)];
  return starts.map((start, index) => {
    const first = runs[start]!;
    const last = runs[(starts[index + 1] ?? runs.length) - 1]!;
    return { firstPage: first.firstPage, pageCount: last.firstPage + last.pageCount - first.firstPage };
  });
}

/**
 * A bitmap dump: type 5 (all memory) or 6 (what the kernel uses). Source: windows-dump.md sections 3b and 7.
 *
 * `header` is the DUMP_HEADER64 that the guest keeps ready; what depends on the pages written is filled in here. The first page
 * is page aligned and the bitmap a multiple of 64 bits long: the form that every reader known to us takes.
 *
 * @throws StopcodeError `dump/bad-header`
 */
export function windowsBitmapDump(from: { header: Uint8Array; pages: PageSource; type: 5 | 6 }): DumpImage {
  const { header, pages, type } = from;
  checkImageHeader(header);
  const runs = pages.runs.filter((run) => run.pageCount > 0);
  const last = runs.at(-1);
  const bits = last === undefined ? 0 : alignUp(last.firstPage + last.pageCount, 64);
  const firstPage = alignUp(BITMAP_START + bits / 8, PAGE_SIZE);
  const count = pagesIn(pages);
  const bytes = firstPage + count * PAGE_SIZE;

  const front = () => {
    const start = new Uint8Array(firstPage);
    start.set(imageHeader(header, { dumpType: type, bytes, runs: runs.length === 0 ? [] : coveringRuns(runs) }));
    bitmapHeader.write(start, DUMP_HEADER_SIZE, {
      signature: type === DUMP_TYPE.bitmapFull ? BITMAP_SIGNATURE.full : BITMAP_SIGNATURE.summary,
      validDump: BITMAP_SIGNATURE.dump,
      dumpOptions: 0,
      firstPage,
      totalPresentPages: count,
      pages: bits,
    });
    const bitmap = start.subarray(BITMAP_START);
    for (const run of runs) setBits(bitmap, run.firstPage, run.pageCount);
    return start;
  };

  return {
    bytes,
    pages: count,
    *chunks() {
      yield* byteChunks(front());
      yield* pageChunks(pages);
    },
  };
}
