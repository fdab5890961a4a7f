import type { PageRun } from "../binary/index.ts";

/** The pages from 0 to `pages` that belong, as ascending, disjoint, merged runs. */
export function runsOf(pages: number, belongs: (page: number) => boolean): PageRun[] {
  const runs: PageRun[] = [];
  for (let page = 0; page < pages; page++) {
    if (!belongs(page)) continue;
    const firstPage = page;
    while (page < pages && belongs(page)) page++;
    runs.push({ firstPage, pageCount: page - firstPage });
  }
  return runs;
}
