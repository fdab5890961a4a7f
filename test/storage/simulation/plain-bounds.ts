import type { TimedWork } from "../../../src/storage/index.ts";

/** The shortest way from a cylinder through all others, by trying every order. At most nine. */
export function shortestWay(
  from: number,
  cylinders: readonly number[],
  seekTime: (distance: number) => number,
): number {
  if (cylinders.length === 0) return 0;
  return Math.min(
    ...cylinders.map(
      (next, at) => seekTime(Math.abs(next - from)) + shortestWay(next, cylinders.toSpliced(at, 1), seekTime),
    ),
  );
}

/**
 * The fewest deadlines that a schedule misses, by trying every set of works that are done in time. All of a set can be, by a schedule that
 * may interrupt, where no span of time holds more work than it is long (Liu and Layland's processor demand). At most twelve.
 */
export function fewestMisses(works: readonly TimedWork[]): number {
  let most = 0;
  for (let set = 0; set < 1 << works.length; set++) {
    const inTime = works.filter((_, at) => set & (1 << at));
    if (inTime.length > most && canAllBeDone(inTime)) most = inTime.length;
  }
  return works.length - most;
}

const canAllBeDone = (works: readonly TimedWork[]): boolean =>
  works.every(({ arrival: from }) =>
    works.every(({ deadline: to }) => {
      const within = works.filter(({ arrival, deadline }) => arrival >= from && deadline <= to);
      return within.reduce((sum, { work }) => sum + work, 0) <= to - from + 1e-9 || within.length === 0;
    }),
  );
