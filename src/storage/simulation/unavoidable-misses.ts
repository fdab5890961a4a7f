/** What is to be done between two moments. All three are milliseconds. */
export interface TimedWork {
  readonly arrival: number;
  readonly deadline: number;
  readonly work: number;
}

/** What rounding may leave of work that is done. */
const NOTHING = 1e-6;

/**
 * A number of deadlines that every schedule misses, even one that may leave work half done and come back to it at no cost. The most
 * work that can be done in time is done by earliest deadline first, where what is past its deadline is given up (Glover 1967). What that
 * leaves undone is missed by anybody, and so are at least as many deadlines as the longest works make it up with. None where
 * all can be met.
 * @param works in order of arrival
 */
export function unavoidableMisses(works: readonly TimedWork[]): number {
  let undone = undoneByEarliestDeadline(works) - NOTHING;
  let misses = 0;
  const longestFirst = Float64Array.from(works, ({ work }) => work)
    .sort()
    .reverse();
  while (undone > 0) undone -= longestFirst[misses++]!;
  return misses;
}

/** Milliseconds of work that are not done in time. */
function undoneByEarliestDeadline(works: readonly TimedWork[]): number {
  /** What has arrived, the earliest deadline last. */
  const waiting: { readonly deadline: number; left: number }[] = [];
  let undone = 0;
  let now = 0;
  const workUntil = (end: number): void => {
    for (let first = waiting.at(-1); first !== undefined && now < end; first = waiting.at(-1)) {
      const until = Math.max(now, Math.min(end, first.deadline, now + first.left));
      first.left -= until - now;
      now = until;
      if (first.left > NOTHING && now < first.deadline) continue;
      undone += first.left;
      waiting.pop();
    }
    now = Math.max(now, end);
  };
  for (const { arrival, deadline, work } of works) {
    workUntil(arrival);
    let place = waiting.length;
    while (place > 0 && waiting[place - 1]!.deadline < deadline) place--;
    waiting.splice(place, 0, { deadline, left: work });
  }
  workUntil(Number.POSITIVE_INFINITY);
  return undone;
}
