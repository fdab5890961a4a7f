/** Ranges that wait for one processor at most; beyond, it drops everything, which costs less than to go through them. */
const MOST_RANGES = 32;

export interface LinearRange {
  readonly high: number;
  readonly low: number;
  readonly pages: number;
}

/**
 * What processors are to forget before they translate again. Nobody waits and nobody is woken: who flushes leaves word here,
 * and a processor that is idle finds it when it runs next. Until then it translates nothing, so nothing stale is used.
 */
export class Shootdown {
  readonly processors: number;
  /** Per processor, how often something was left; who has seen another number has something to do. */
  readonly generation: Int32Array;
  readonly #ranges: LinearRange[][];
  readonly #everything: Uint8Array;
  readonly #listeners: (() => void)[][];

  constructor(processors: number) {
    this.processors = processors;
    this.generation = new Int32Array(processors);
    this.#everything = new Uint8Array(processors);
    this.#ranges = Array.from({ length: processors }, () => []);
    this.#listeners = Array.from({ length: processors }, () => []);
  }

  /** From now on, tells when something is left for a processor: it may use nothing more before it has taken it. */
  onWord(processor: number, listener: () => void): void {
    this.#listeners[processor]!.push(listener);
  }

  /** One processor is to forget everything. */
  one(processor: number): void {
    this.#everything[processor] = 1;
    this.#ranges[processor]!.length = 0;
    this.#leave(processor);
  }

  all(): void {
    for (let processor = 0; processor < this.processors; processor++) this.one(processor);
  }

  /** One processor is to forget these pages, in all address spaces. */
  range(processor: number, range: LinearRange): void {
    const ranges = this.#ranges[processor]!;
    if (this.#everything[processor] === 1) return;
    if (ranges.length === MOST_RANGES) this.one(processor);
    else {
      ranges.push(range);
      this.#leave(processor);
    }
  }

  /** What was left for a processor and not taken yet: ranges, or null for everything. */
  left(processor: number): readonly LinearRange[] | null {
    return this.#everything[processor] === 1 ? null : this.#ranges[processor]!;
  }

  /** Takes what was left for a processor: ranges, or null for everything. */
  take(processor: number): LinearRange[] | null {
    const everything = this.#everything[processor] === 1;
    this.#everything[processor] = 0;
    const ranges = this.#ranges[processor]!.splice(0);
    return everything ? null : ranges;
  }

  #leave(processor: number): void {
    this.generation[processor]! += 1;
    for (const listener of this.#listeners[processor]!) listener();
  }
}
