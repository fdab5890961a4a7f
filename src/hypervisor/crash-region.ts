import { PAGE_SIZE } from "../binary/index.ts";
import type { HostMemory } from "./host-memory.ts";
import { type HypervisorState, transport, writeState } from "./state/index.ts";

/** Frames kept for the state of a machine that has no others left: enough for all but shadow tables and TLBs. */
const RESERVED_FRAMES = 16;

/** Where the state lies, in host frames. */
export interface CrashRegion {
  readonly firstFrame: number;
  readonly frames: number;
}

/** Host memory for the state that the hypervisor leaves to the dump agent when it dies. */
export class CrashMemory {
  readonly #host: HostMemory;
  #reserved: CrashRegion | null = null;

  constructor(host: HostMemory) {
    this.#host = host;
  }

  /** Sets a few frames aside, so that there are some when the machine has none left. @returns whether there are */
  reserve(): boolean {
    this.#reserved ??= this.#take(RESERVED_FRAMES);
    return this.#reserved !== null;
  }

  /** Transports the state, valid flag last. @returns where it lies; null where there is no memory for any of it */
  write(state: HypervisorState): CrashRegion | null {
    const bytes = writeState(state);
    const wanted = Math.ceil(bytes.length / PAGE_SIZE);
    const region = this.#roomFor(wanted);
    if (region === null) return null;
    const written = region.frames >= wanted ? bytes : writeState(state, region.frames * PAGE_SIZE);
    transport(written, (offset, part) => this.#host.bytes.set(part, region.firstFrame * PAGE_SIZE + offset));
    return region;
  }

  /** What was reserved, where that is enough; else as many frames as are wanted, or as near as there is. */
  #roomFor(wanted: number): CrashRegion | null {
    const reserved = this.#reserved;
    if (reserved !== null && reserved.frames >= wanted) return reserved;
    for (let frames = wanted; frames > (reserved?.frames ?? 0); frames >>>= 1) {
      const taken = this.#take(frames);
      if (taken !== null) return taken;
    }
    return reserved;
  }

  #take(frames: number): CrashRegion | null {
    const firstFrame = this.#host.allocateRun(frames);
    return firstFrame < 0 ? null : { firstFrame, frames };
  }
}
