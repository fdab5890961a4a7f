/** What the bound of a round is computed from (systems.md 5.4). Times are milliseconds. */
export interface RoundLimits {
  readonly cylinders: number;
  seekTime(cylinders: number): number;
  readonly rotation: number;
  /** Of the largest request of a round. */
  readonly transfer: number;
  readonly overhead: number;
}

/**
 * The longest that a round of `requests` can take, wherever they lie: equal steps over all cylinders are the worst sweep, since
 * seek time is concave in distance, and the arm returns once. Source: US7206866, paragraph 33.
 */
export function serviceBound(requests: number, limits: RoundLimits): number {
  const step = limits.cylinders / requests;
  // Between two whole cylinders, on the line between them.
  const low = Math.floor(step);
  const high = Math.min(low + 1, limits.cylinders);
  const seek = limits.seekTime(low) + (step - low) * (limits.seekTime(high) - limits.seekTime(low));
  return requests * (seek + limits.transfer + limits.rotation + limits.overhead) + limits.seekTime(limits.cylinders);
}

/** The largest round whose bound is no longer than a latency in milliseconds; 0: not even a round of one request is. */
export function roundSize(latency: number, limits: RoundLimits): number {
  let size = 0;
  while (serviceBound(size + 1, limits) <= latency) size++;
  return size;
}
