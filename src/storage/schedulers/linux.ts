import type { BlockRequest } from "../request.ts";
import type { Scheduler } from "../scheduler.ts";

/** Requests of one direction: by sector for the sweep, and in order of arrival for the deadline. */
class Direction {
  readonly sorted: BlockRequest[] = [];
  readonly fifo: BlockRequest[] = [];
  readonly expires: number;
  /** The sector behind the last one that went. */
  at = 0;

  constructor(expires: number) {
    this.expires = expires;
  }

  add(request: BlockRequest): void {
    this.fifo.push(request);
    let place = this.sorted.length;
    while (place > 0 && this.sorted[place - 1]!.sector > request.sector) place--;
    this.sorted.splice(place, 0, request);
  }

  next(): BlockRequest | undefined {
    return this.sorted.find((request) => request.sector >= this.at);
  }

  hasExpired(now: number): boolean {
    return this.fifo.length > 0 && this.fifo[0]!.arrival + this.expires <= now;
  }

  /** Takes a request, and what follows it on the medium with it. */
  take(request: BlockRequest): BlockRequest {
    const from = this.sorted.indexOf(request);
    let to = from + 1;
    let end = request.sector + request.sectors;
    while (to < this.sorted.length && this.sorted[to]!.sector === end && end - request.sector < LARGEST) {
      end += this.sorted[to]!.sectors;
      to++;
    }
    const parts = this.sorted.splice(from, to - from);
    for (const part of parts) this.fifo.splice(this.fifo.indexOf(part), 1);
    this.at = end;
    return parts.length === 1 ? request : { ...request, sectors: end - request.sector, parts };
  }
}

/** Sectors of a merged request: `max_sectors_kb` of 1280. */
const LARGEST = 2560;
const READ_EXPIRES = 500;
const WRITE_EXPIRES = 5000;
const FIFO_BATCH = 16;
const WRITES_STARVED = 2;

/** Linux's mq-deadline with its default settings: batches in order of sectors, reads before writes, both within their deadlines. */
export class MqDeadline implements Scheduler {
  readonly name = "mq-deadline";
  readonly wakeAt = Number.POSITIVE_INFINITY;
  readonly #reads = new Direction(READ_EXPIRES);
  readonly #writes = new Direction(WRITE_EXPIRES);
  #current = this.#reads;
  #batch = 0;
  #starved = 0;

  get size(): number {
    return this.#reads.fifo.length + this.#writes.fifo.length;
  }

  add(request: BlockRequest): void {
    (request.write ? this.#writes : this.#reads).add(request);
  }

  take(now: number): BlockRequest | null {
    const going = this.#batch > 0 && this.#batch < FIFO_BATCH ? this.#current.next() : undefined;
    if (going !== undefined) {
      this.#batch++;
      return this.#current.take(going);
    }
    const direction = this.#direction();
    if (direction === null) return null;
    this.#current = direction;
    this.#batch = 1;
    const request = direction.hasExpired(now) ? direction.fifo[0]! : (direction.next() ?? direction.fifo[0]!);
    return direction.take(request);
  }

  #direction(): Direction | null {
    if (this.#reads.fifo.length === 0) return this.#writes.fifo.length === 0 ? null : this.#writes;
    if (this.#writes.fifo.length === 0 || this.#starved < WRITES_STARVED) {
      if (this.#writes.fifo.length > 0) this.#starved++;
      return this.#reads;
    }
    this.#starved = 0;
    return this.#writes;
  }

  completed(): void {}
}

const KYBER_BATCHES = { reads: 16, writes: 8 };

/**
 * Like Linux's Kyber on a device that takes one request at a time, where its tokens bind nobody: batches of reads and of writes
 * by turns, each in order of arrival.
 */
export class KyberLike implements Scheduler {
  readonly name = "Kyber-like";
  readonly wakeAt = Number.POSITIVE_INFINITY;
  readonly #reads: BlockRequest[] = [];
  readonly #writes: BlockRequest[] = [];
  #isReading = true;
  #batch = 0;

  get size(): number {
    return this.#reads.length + this.#writes.length;
  }

  add(request: BlockRequest): void {
    (request.write ? this.#writes : this.#reads).push(request);
  }

  take(): BlockRequest | null {
    const queue = this.#isReading ? this.#reads : this.#writes;
    const other = this.#isReading ? this.#writes : this.#reads;
    const limit = this.#isReading ? KYBER_BATCHES.reads : KYBER_BATCHES.writes;
    if (queue.length === 0 || (this.#batch >= limit && other.length > 0)) {
      if (other.length === 0) return null;
      this.#isReading = !this.#isReading;
      this.#batch = 0;
      return this.take();
    }
    this.#batch++;
    return queue.shift()!;
  }

  completed(): void {}
}
