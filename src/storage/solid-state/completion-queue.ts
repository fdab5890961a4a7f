import type { BlockRequest, Completion } from "../request.ts";

/** Requests by the time of their completion: a binary heap. */
export class CompletionQueue {
  readonly #times: number[] = [];
  readonly #requests: BlockRequest[] = [];

  get size(): number {
    return this.#times.length;
  }

  /** When the first is complete. Infinity: there is none. */
  get next(): number {
    return this.#times.length === 0 ? Number.POSITIVE_INFINITY : this.#times[0]!;
  }

  add(request: BlockRequest, at: number): void {
    const times = this.#times;
    const requests = this.#requests;
    let place = times.length;
    times.push(at);
    requests.push(request);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (times[parent]! <= at) break;
      times[place] = times[parent]!;
      requests[place] = requests[parent]!;
      place = parent;
    }
    times[place] = at;
    requests[place] = request;
  }

  /** The first, which leaves. There must be one. */
  take(): Completion {
    const times = this.#times;
    const requests = this.#requests;
    const [at] = times as [number];
    const [request] = requests as [BlockRequest];
    const lastTime = times.pop()!;
    const lastRequest = requests.pop()!;
    const count = times.length;
    if (count > 0) {
      let place = 0;
      while (true) {
        let child = 2 * place + 1;
        if (child >= count) break;
        if (child + 1 < count && times[child + 1]! < times[child]!) child++;
        if (times[child]! >= lastTime) break;
        times[place] = times[child]!;
        requests[place] = requests[child]!;
        place = child;
      }
      times[place] = lastTime;
      requests[place] = lastRequest;
    }
    return { request, at, status: "done", transferred: request.sectors };
  }
}
