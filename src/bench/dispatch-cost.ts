import { type BlockRequest, type Demand, type DiskParameters, HardDisk, type Policy } from "../storage/index.ts";

/** Requests that wait all the time, of which some are streams'. */
const DEPTH = 128;
const STREAMS = 8;
const PERIOD = 500;
/** So many that the last are run by code that is compiled: a policy's rounds differ, and each may undo what was compiled for the others. */
const ROUNDS = 20;
const REQUESTS = 8_000;
/** Milliseconds after which no other round begins: what is dear is known well enough. */
const LONGEST = 2_000;

/**
 * Microseconds of the host in which a policy takes in one request and gives out one, with 128 waiting: the best of many
 * rounds. The two looks at the clock are in it.
 */
export function dispatchCost(policy: Policy, parameters: DiskParameters, demands: readonly Demand[]): number {
  const disk = new HardDisk(parameters);
  const scheduler = policy.create(disk);
  let id = 0;
  let now = 0;
  const next = (isStream: boolean): BlockRequest => ({
    id,
    ...demands[id++ % demands.length]!,
    ...(isStream ? { write: false } : {}),
    arrival: now,
    owner: isStream ? id % STREAMS : STREAMS,
    class: "normal",
    deadline: isStream ? now + PERIOD : Number.POSITIVE_INFINITY,
  });
  for (let waiting = 0; waiting < DEPTH; waiting++) scheduler.add(next(waiting < STREAMS), now);

  let best = Number.POSITIVE_INFINITY;
  let spent = 0;
  for (let round = 0; round < ROUNDS && spent < LONGEST; round++) {
    let own = 0;
    let served = 0;
    while (served < REQUESTS) {
      const asked = performance.now();
      const request = scheduler.take(now)!;
      own += performance.now() - asked;
      disk.submit(request, now);
      const completion = disk.complete();
      now = completion.at;
      scheduler.completed(completion);
      const followers = (request.parts ?? [request]).map(({ deadline }) => next(deadline !== Number.POSITIVE_INFINITY));
      served += followers.length;
      const given = performance.now();
      for (const follower of followers) scheduler.add(follower, now);
      own += performance.now() - given;
    }
    spent += own;
    best = Math.min(best, (own * 1000) / served);
  }
  return best;
}
