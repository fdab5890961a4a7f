interface Event {
  readonly time: number;
  /** Of two at the same time the one that was put in first goes first. */
  readonly order: number;
  readonly action: () => void;
}

/** What is to happen, in order of time: a binary heap. */
export class EventQueue {
  #now = 0;
  #last = 0;
  readonly #events: Event[] = [];

  get now(): number {
    return this.#now;
  }

  /** @param time not before now */
  at(time: number, action: () => void): void {
    const events = this.#events;
    const event = { time, order: ++this.#last, action };
    let place = events.length;
    events.push(event);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (isBefore(events[parent]!, event)) break;
      events[place] = events[parent]!;
      place = parent;
    }
    events[place] = event;
  }

  after(delay: number, action: () => void): void {
    this.at(this.#now + delay, action);
  }

  /** Lets everything happen, what comes of it included. */
  run(): void {
    while (this.#events.length > 0) {
      const { time, action } = this.#take();
      this.#now = time;
      action();
    }
  }

  #take(): Event {
    const events = this.#events;
    const first = events[0]!;
    const last = events.pop()!;
    const count = events.length;
    let place = 0;
    while (2 * place + 1 < count) {
      let child = 2 * place + 1;
      if (child + 1 < count && isBefore(events[child + 1]!, events[child]!)) child++;
      if (isBefore(last, events[child]!)) break;
      events[place] = events[child]!;
      place = child;
    }
    if (count > 0) events[place] = last;
    return first;
  }
}

const isBefore = (left: Event, right: Event): boolean =>
  left.time < right.time || (left.time === right.time && left.order < right.order);
