import { hex, PAGE_SIZE } from "../../binary/index.ts";
import { POOL_UNIT, poolHeader } from "../../dumpfile/index.ts";
import type { Facts } from "../facts.ts";
import type { Kernel } from "./kernel.ts";
import { letters } from "./parameter-values.ts";

/** A pool that may take more is a newer Windows', whose blocks have other headers. */
const MOST_PAGES = 65_536;
const MOST_TAGS = 64;
/** Sizes of blocks count in units, and those of a page's blocks sum up to all of it but the last unit, or to all of it. */
const FULL_PAGE = PAGE_SIZE - POOL_UNIT;

type PoolTag = NonNullable<NonNullable<Facts["pool"]>["nonPaged"]>["tags"][number];

/**
 * Nonpaged pool counted by tag, as the headers of its blocks say; null where the kernel's pool does not lie in one range. Blocks of a page or
 * more have no header, so they have no tag here.
 */
export function nonPagedPool({ memory, debuggerData, triage }: Kernel): NonNullable<Facts["pool"]>["nonPaged"] {
  if (triage !== null || debuggerData === null) return null;
  const start = memory.pointer(debuggerData.mmNonPagedPoolStart);
  const end = memory.pointer(debuggerData.mmNonPagedPoolEnd);
  if (start === null || end === null || end <= start) return null;
  const pages = Number((end - start) / BigInt(PAGE_SIZE));
  if (pages > MOST_PAGES) return null;
  const tags = new Map<number, PoolTag>();
  let used = 0;
  let whole = 0;
  for (let page = 0; page < pages; page++) {
    const content = memory.read(start + BigInt(page * PAGE_SIZE), PAGE_SIZE);
    if (content === null) continue;
    used++;
    const blocks = blocksOf(content);
    if (blocks === null) whole++;
    else for (const block of blocks) count(tags, block);
  }
  const byBytes = [...tags.values()].sort((a, b) => b.bytes - a.bytes);
  return { pages, used, whole, tags: byBytes.slice(0, MOST_TAGS) };
}

/** Headers of the blocks of a page, free ones left out; null where their sizes do not lead from one to the next through the whole page. */
function blocksOf(page: Uint8Array) {
  const blocks: ReturnType<typeof poolHeader.read>[] = [];
  let before = 0;
  let at = 0;
  while (at < FULL_PAGE) {
    const header = poolHeader.read(page, at);
    if (header.previousSize !== before || header.blockSize === 0) return null;
    if (header.poolType !== 0) blocks.push(header);
    before = header.blockSize;
    at += before * POOL_UNIT;
  }
  return at <= PAGE_SIZE ? blocks : null;
}

function count(tags: Map<number, PoolTag>, { poolTag, blockSize }: { poolTag: number; blockSize: number }): void {
  const known = tags.get(poolTag) ?? { tag: letters(BigInt(poolTag)) ?? hex(poolTag), blocks: 0, bytes: 0 };
  tags.set(poolTag, known);
  known.blocks++;
  known.bytes += blockSize * POOL_UNIT;
}
