import type { BlockDevice } from "../device.ts";
import type { Completion } from "../request.ts";
import type { Scheduler } from "../scheduler.ts";
import type { Load } from "./load.ts";

/**
 * Lets loads, a scheduler and a device run until `until` (milliseconds) or until nothing more can happen, whichever comes first; every
 * completion goes to `observe`, which ends the run by returning false.
 */
export function simulate(
  device: BlockDevice,
  scheduler: Scheduler,
  loads: readonly Load[],
  until: number,
  observe: (completion: Completion) => boolean,
): number {
  let now = 0;
  while (true) {
    for (const load of loads) while (load.next <= now) scheduler.add(load.take(), now);
    while (device.pending < device.depth) {
      const request = scheduler.take(now);
      if (request === null) break;
      device.submit(request, now);
    }

    let next = Math.min(device.next, scheduler.wakeAt);
    for (const load of loads) next = Math.min(next, load.next);
    if (next === Number.POSITIVE_INFINITY) return now;
    if (next > until) return until;
    now = Math.max(now, next);
    if (device.next > now) continue;
    const completion = device.complete();
    scheduler.completed(completion);
    for (const request of completion.request.parts ?? [completion.request]) {
      const part =
        request === completion.request ? completion : { ...completion, request, transferred: request.sectors };
      for (const load of loads) load.completed(part);
      if (!observe(part)) return now;
    }
  }
}
