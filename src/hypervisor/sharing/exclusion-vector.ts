const ALL = -1;

/**
 * The pages that DMA devices may not touch: one bit a host frame, set where DMA is forbidden (systems.md 3.2, 3.3).
 * Every frame begins forbidden, and a frame the host does not have always is.
 */
export class ExclusionVector {
  readonly frames: number;
  readonly #words: Int32Array;

  constructor(frames: number) {
    this.frames = frames;
    this.#words = new Int32Array(Math.ceil(frames / 32)).fill(ALL);
  }

  excludes(frame: number): boolean {
    return !(frame >= 0 && frame < this.frames) || (this.#words[frame >>> 5]! & (1 << (frame & 31))) !== 0;
  }

  exclude(frame: number): void {
    this.#words[frame >>> 5]! |= 1 << (frame & 31);
  }

  allow(frame: number): void {
    this.#words[frame >>> 5]! &= ~(1 << (frame & 31));
  }
}
