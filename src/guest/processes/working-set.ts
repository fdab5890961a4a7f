import type { Random } from "../../binary/index.ts";
import type { VirtualProcessor } from "../../hypervisor/index.ts";
import type { PageViolation } from "../faults/memory-management.ts";
import type { PageFrames } from "../memory/page-frames.ts";
import { ACCESSED_BIT, DIRTY_BIT, PAGE_KIND } from "../memory/page-table-entry.ts";
import type { PageTables } from "../memory/page-tables.ts";
import type { StampedPages } from "./stamped-pages.ts";

/** Stamped pages, the page frame each lies in, and the tables that say so. */
export interface WorkingSet {
  readonly pages: StampedPages;
  readonly frames: number[];
  readonly tables: PageTables;
}

/** Some pages lose their frames and get others, as if they had been trimmed and were touched again: each is filled anew. */
export function renewPages(
  { pages, frames, tables }: WorkingSet,
  free: PageFrames,
  processor: VirtualProcessor,
  random: Random,
  count: number,
): void {
  for (let renewed = 0; renewed < count; renewed++) {
    const page = random.below(pages.pages);
    // The other frame first: the old one would be the next that is free, and a mapping to it no mistake.
    const frame = free.takeZeroed();
    free.give(tables.unmap(pages.addressOf(page))!);
    tables.map(pages.addressOf(page), frame, PAGE_KIND.freshUserData);
    frames[page] = frame;
    pages.forgetUse(page);
    pages.rewrite(processor, page);
  }
}

/** Pairs of neighbours change frames, as if their content had been moved: both mappings change while they stand. */
export function movePages({ pages, frames, tables }: WorkingSet, random: Random, count: number): void {
  for (let moved = 0; moved < count; moved += 2) {
    const page = random.below(pages.pages - 1);
    [frames[page], frames[page + 1]] = [frames[page + 1]!, frames[page]!];
    tables.mapRun(pages.addressOf(page), [frames[page]!, frames[page + 1]!], PAGE_KIND.freshUserData);
    pages.swap(page, page + 1);
    pages.forgetUse(page);
    pages.forgetUse(page + 1);
  }
}

/**
 * Looks at the accessed and dirty flags of all pages and clears them, as memory management does that wants to know which it
 * could take away. @returns the first entry whose flags are not what was done with its page
 */
export function agePages({ pages, tables }: WorkingSet): PageViolation | null {
  const flags = new Uint8Array(pages.pages);
  tables.takeFlags(pages.address, flags);
  for (let page = 0; page < pages.pages; page++) {
    const expected = (pages.used[page] === 1 ? ACCESSED_BIT : 0) | (pages.written[page] === 1 ? DIRTY_BIT : 0);
    pages.forgetUse(page);
    if (flags[page] !== expected)
      return { kind: "wrongFlags", address: pages.addressOf(page), expected, found: flags[page]! };
  }
  return null;
}
