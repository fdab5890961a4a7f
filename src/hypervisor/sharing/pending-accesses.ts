import { StopcodeError } from "../../binary/index.ts";

/**
 * How many pending accesses each host frame has. As long as there is one, no guest frame in front of it may be moved or
 * taken away: a device may be writing to it.
 */
export class PendingAccesses {
  readonly #counts: Uint32Array;

  constructor(frames: number) {
    this.#counts = new Uint32Array(frames);
  }

  of(frame: number): number {
    return this.#counts[frame] ?? 0;
  }

  begin(frame: number): void {
    this.#counts[frame]! += 1;
  }

  /**
   * One access less; the count that is left.
   * @throws StopcodeError `hypervisor/count-underflow` where none was pending: the hypervisor's own books are wrong
   */
  end(frame: number): number {
    const left = this.of(frame) - 1;
    if (left < 0)
      throw new StopcodeError("hypervisor/count-underflow", `host frame ${frame} has no pending access that could end`);
    this.#counts[frame] = left;
    return left;
  }

  /** Frames with at least one pending access, ascending. */
  frames(): number[] {
    const frames: number[] = [];
    for (let frame = 0; frame < this.#counts.length; frame++) if (this.#counts[frame]! > 0) frames.push(frame);
    return frames;
  }
}
