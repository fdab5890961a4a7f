import { hex, PAGE_SIZE, type PageRun } from "../../binary/index.ts";
import type { DumpProblem } from "../dump.ts";
import type { DumpFile } from "../file.ts";
import { PageBitmap } from "../kdump/page-bitmap.ts";
import { BITMAP_HEADER_SIZE, BITMAP_SIGNATURE, bitmapHeader } from "./bitmap-header.ts";
import { DUMP_HEADER_SIZE } from "./dump-header.ts";
import { emptyPageMap, type PageMap, pagesBehind } from "./page-map.ts";

const BITMAP_START = DUMP_HEADER_SIZE + BITMAP_HEADER_SIZE;

/** 16 TiB of physical memory: page frames stay 32-bit numbers, and so does the page behind the last. */
const MAX_BITS = 2 ** 32 - 1;

type BitmapHead = ReturnType<typeof bitmapHeader.read>;

const offsetOfField = (name: keyof typeof bitmapHeader.fields) => DUMP_HEADER_SIZE + bitmapHeader.fields[name].offset;

/** What makes the page map unusable, or null. */
function unusable(file: DumpFile, head: BitmapHead, bytes: number): DumpProblem | null {
  const bad = (message: string, offset: number) => ({ code: "bad-page-map", message, offset });
  const { signature, validDump, firstPage, pages } = head;
  if (
    validDump !== BITMAP_SIGNATURE.dump ||
    (signature !== BITMAP_SIGNATURE.summary && signature !== BITMAP_SIGNATURE.full)
  )
    return bad(
      `expected "SDMPDUMP" or "FDMPDUMP" at the page map, found ${hex(signature)} ${hex(validDump)}`,
      DUMP_HEADER_SIZE,
    );
  if (pages > MAX_BITS) return bad(`a page map of ${pages} bits cannot be right`, offsetOfField("pages"));
  if (firstPage < BITMAP_START + bytes)
    return bad(
      `the first page is said to lie at byte ${hex(firstPage)}, inside a page map of ${bytes} bytes`,
      offsetOfField("firstPage"),
    );
  if (file.bytes < BITMAP_START + bytes)
    return { code: "truncated", message: "the file ends inside the page map", offset: file.bytes };
  return null;
}

/** The page before which `count` pages are set; there are more. */
function pageOfRank(bitmap: PageBitmap, count: number): number {
  let low = 0;
  let high = bitmap.pages - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (bitmap.rank(middle) <= count) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The page map of dump types 5 and 6: a bitmap with one bit a page frame. Source: windows-dump.md section 3b. */
export function bitmapMap(file: DumpFile, problems: DumpProblem[]): PageMap {
  if (file.bytes < BITMAP_START) {
    problems.push({ code: "truncated", message: "the file ends before the page map", offset: file.bytes });
    return emptyPageMap(0);
  }
  const head = bitmapHeader.read(file.read(DUMP_HEADER_SIZE, BITMAP_HEADER_SIZE));
  const bytes = Math.ceil(head.pages / 8);
  const damage = unusable(file, head, bytes);
  if (damage !== null) {
    problems.push(damage);
    return emptyPageMap(damage.code === "truncated" ? Math.min(head.totalPresentPages, head.pages) : 0);
  }
  const bits = file.read(BITMAP_START, bytes);
  const whole = new PageBitmap(bits, head.pages);
  if (whole.count !== head.totalPresentPages)
    problems.push({
      code: "bad-page-map",
      message: `the page map says ${head.totalPresentPages} pages, ${whole.count} bits are set`,
      offset: offsetOfField("totalPresentPages"),
    });
  const readable = Math.min(whole.count, pagesBehind(file, head.firstPage));
  // A file that was cut off holds the pages of the bits up to some page.
  const held = readable < whole.count ? new PageBitmap(bits, pageOfRank(whole, readable)) : whole;
  let runs: readonly PageRun[] | null = null;
  return {
    pages: whole.count,
    readable,
    offsetOf: (pfn) => (held.has(pfn) ? head.firstPage + held.rank(pfn) * PAGE_SIZE : -1),
    runs() {
      runs ??= held.runs();
      return runs;
    },
  };
}
