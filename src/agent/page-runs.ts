import type { PageRun } from "../binary/index.ts";

/** Ascending and disjoint, touching runs joined, empty ones dropped. */
export function tidied(runs: readonly PageRun[]): PageRun[] {
  const result: { firstPage: number; pageCount: number }[] = [];
  for (const { firstPage, pageCount } of runs.toSorted((a, b) => a.firstPage - b.firstPage)) {
    const last = result.at(-1);
    if (last && firstPage <= last.firstPage + last.pageCount)
      last.pageCount = Math.max(last.pageCount, firstPage + pageCount - last.firstPage);
    else if (pageCount > 0) result.push({ firstPage, pageCount });
  }
  return result;
}

/** The pages of `runs` that are in `others` (`inside`), and those that are not (`outside`). Both lists tidied. */
export function split(
  runs: readonly PageRun[],
  others: readonly PageRun[],
): { readonly inside: PageRun[]; readonly outside: PageRun[] } {
  const inside: PageRun[] = [];
  const outside: PageRun[] = [];
  const add = (list: PageRun[], from: number, to: number) => {
    if (to > from) list.push({ firstPage: from, pageCount: to - from });
  };
  let other = 0;
  for (const run of runs) {
    const end = run.firstPage + run.pageCount;
    let at = run.firstPage;
    while (at < end) {
      while (other < others.length && others[other]!.firstPage + others[other]!.pageCount <= at) other++;
      const next = others[other];
      const from = Math.min(end, Math.max(at, next?.firstPage ?? end));
      const to = next ? Math.min(end, Math.max(from, next.firstPage + next.pageCount)) : end;
      add(outside, at, from);
      add(inside, from, next ? to : from);
      at = to;
    }
  }
  return { inside, outside };
}

export const pagesIn = (runs: readonly PageRun[]): number => runs.reduce((sum, run) => sum + run.pageCount, 0);
