/** The share of deadlines that were missed, and the interval that holds the true one with a probability of 95 %. */
export interface MissRatio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** Of streams' periods in one run. */
export interface Misses {
  readonly periods: number;
  readonly missed: number;
}

/** The quantile of the normal distribution that leaves 2.5 % on either side. */
const NORMAL = 1.959964;
/** The same of Student's distribution, for two runs, three, and so on. */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093,
] as const;
/** Runs of which an interval can be given. */
export const MOST_RUNS = STUDENT.length + 1;

/**
 * The ratio of up to `MOST_RUNS` runs together. The interval is the wider of two: Wilson's score interval (Wilson 1927), which has a width where
 * nothing was missed, but takes periods for independent; and, of several runs, Student's over their ratios, since misses come
 * together and runs differ by more than Wilson's says. Null: there was no period.
 */
export function missRatio(runs: readonly Misses[]): MissRatio | null {
  const periods = sumOf(runs.map((run) => run.periods));
  if (periods === 0) return null;
  const ratio = sumOf(runs.map((run) => run.missed)) / periods;
  const [wilson, student] = [wilsonInterval(ratio, periods), studentInterval(runs)];
  return {
    ratio,
    low: Math.max(0, Math.min(wilson.low, student.low)),
    high: Math.min(1, Math.max(wilson.high, student.high)),
  };
}

interface Interval {
  readonly low: number;
  readonly high: number;
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

function wilsonInterval(ratio: number, count: number): Interval {
  const square = NORMAL ** 2;
  const middle = (ratio + square / (2 * count)) / (1 + square / count);
  const half = (NORMAL / (1 + square / count)) * Math.sqrt((ratio * (1 - ratio)) / count + square / (4 * count ** 2));
  // Rounding leaves 1e-17 where an end is the ratio itself.
  return { low: ratio === 0 ? 0 : middle - half, high: ratio === 1 ? 1 : middle + half };
}

/** Nothing, of fewer than two runs. */
function studentInterval(runs: readonly Misses[]): Interval {
  const ratios = runs.filter(({ periods }) => periods > 0).map(({ missed, periods }) => missed / periods);
  const count = ratios.length;
  if (count < 2) return { low: 1, high: 0 };
  const mean = sumOf(ratios) / count;
  const variance = sumOf(ratios.map((ratio) => (ratio - mean) ** 2)) / (count - 1);
  const half = STUDENT[count - 2]! * Math.sqrt(variance / count);
  return { low: mean - half, high: mean + half };
}
