/** Ticks of the virtual clock (100 ns) in a second. */
export const TICKS_PER_SECOND = 10_000_000;
/** A clock interrupt every 1/64 s, as Windows has it. */
export const CLOCK_INTERVAL_SECONDS = 1 / 64;

/** An event of the virtual clock. Times are in 100 ns since the partition started. */
interface Event {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

const before = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.order < b.order);

/** Events by time; of two at the same time, the one that was planned first comes first. A binary heap. */
export class VirtualClock {
  /** 100 ns since the partition started. */
  now = 0;
  readonly #heap: Event[] = [];
  #planned = 0;

  /** When the next event is due; Infinity when none is planned. */
  get next(): number {
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  after(ticks: number, action: () => void): void {
    const event: Event = { at: this.now + Math.max(1, Math.round(ticks)), order: this.#planned++, action };
    const heap = this.#heap;
    let hole = heap.length;
    heap.push(event);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[hole] = heap[parent]!;
      hole = parent;
    }
    heap[hole] = event;
  }

  /** Plans an event for a moment that may be now, and is never in the past. */
  at(ticks: number, action: () => void): void {
    this.after(ticks - this.now, action);
  }

  /** Goes on to the next event and lets it happen. */
  step(): void {
    const event = this.#pop();
    if (!event) return;
    this.now = event.at;
    event.action();
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || first === last) return first;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[hole] = heap[child]!;
      hole = child;
    }
    heap[hole] = last;
    return first;
  }
}
