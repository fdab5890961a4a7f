import { PAGE_SIZE, StopcodeError } from "../binary/index.ts";
import { TableWrites } from "./translation/table-writes.ts";

/** Frames of a 2 MiB chunk: what is handed out whole where possible, so that a guest's large pages can be host pages. */
export const CHUNK_FRAMES = 512;

/** Byte addresses of host memory are to fit 32 bits. */
const MOST_BYTES = 2 ** 32;

/**
 * The machine's memory: one flat buffer, and who has which of its 4 KiB frames.
 * A free frame is always zero, so nothing of a former owner can be found in it.
 */
export class HostMemory {
  readonly frames: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly view: DataView;
  readonly tableWrites: TableWrites;

  #freeFrames: number;
  readonly #used: Uint8Array;
  readonly #freeInChunk: Uint16Array;

  /** @throws StopcodeError `hypervisor/memory-size` unless it is a positive number of whole pages, 4 GiB at most */
  constructor(memoryBytes: number) {
    this.frames = pagesOf(memoryBytes, "the host's memory");
    const buffer = new ArrayBuffer(memoryBytes);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.view = new DataView(buffer);
    this.tableWrites = new TableWrites(this.frames);
    this.#freeFrames = this.frames;
    this.#used = new Uint8Array(this.frames);
    this.#freeInChunk = Uint16Array.from({ length: Math.ceil(this.frames / CHUNK_FRAMES) }, (_, chunk) =>
      Math.min(CHUNK_FRAMES, this.frames - chunk * CHUNK_FRAMES),
    );
  }

  get freeFrames(): number {
    return this.#freeFrames;
  }

  isUsed(frame: number): boolean {
    return this.#used[frame] === 1;
  }

  /**
   * Takes frames: whole aligned 2 MiB chunks first, the rest from chunks that are already broken.
   * @throws StopcodeError `hypervisor/out-of-memory`, having taken none
   */
  allocate(count: number): Uint32Array {
    if (count > this.#freeFrames)
      throw new StopcodeError(
        "hypervisor/out-of-memory",
        `${count} pages were asked for, ${this.#freeFrames} of the host's ${this.frames} are free`,
        { hint: "give the host more memory or the partitions less" },
      );
    const frames = new Uint32Array(count);
    let taken = 0;
    for (let chunk = 0; chunk < this.#freeInChunk.length && count - taken >= CHUNK_FRAMES; chunk++)
      if (this.#freeInChunk[chunk] === CHUNK_FRAMES) taken = this.#takeFrom(chunk, frames, taken);
    for (let chunk = 0; chunk < this.#freeInChunk.length && taken < count; chunk++)
      if (this.#freeInChunk[chunk]! < CHUNK_FRAMES) taken = this.#takeFrom(chunk, frames, taken);
    for (let chunk = 0; chunk < this.#freeInChunk.length && taken < count; chunk++)
      taken = this.#takeFrom(chunk, frames, taken);
    return frames;
  }

  /** Zeroes a frame and takes it back. */
  release(frame: number): void {
    this.tableWrites.wroteFrame(frame);
    this.tableWrites.handedOut[frame] = 0;
    this.bytes.fill(0, frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE);
    this.#used[frame] = 0;
    this.#freeInChunk[Math.floor(frame / CHUNK_FRAMES)]! += 1;
    this.#freeFrames++;
  }

  /** Takes so many frames that lie one after another. @returns the first; -1, having taken none, where there are none */
  allocateRun(count: number): number {
    for (let frame = 0, free = 0; frame < this.frames; frame++) {
      free = this.#used[frame] === 1 ? 0 : free + 1;
      if (free < count) continue;
      const first = frame - count + 1;
      for (let taken = first; taken <= frame; taken++) this.#take(taken);
      return first;
    }
    return -1;
  }

  #takeFrom(chunk: number, frames: Uint32Array, taken: number): number {
    const end = Math.min((chunk + 1) * CHUNK_FRAMES, this.frames);
    for (let frame = chunk * CHUNK_FRAMES; frame < end && taken < frames.length; frame++) {
      if (this.#used[frame] === 1) continue;
      this.#take(frame);
      frames[taken++] = frame;
    }
    return taken;
  }

  #take(frame: number): void {
    this.#used[frame] = 1;
    this.#freeInChunk[Math.floor(frame / CHUNK_FRAMES)]! -= 1;
    this.#freeFrames--;
  }
}

/**
 * Pages in so many bytes of memory.
 * @throws StopcodeError `hypervisor/memory-size`
 */
export function pagesOf(memoryBytes: number, whose: string): number {
  if (!Number.isInteger(memoryBytes) || memoryBytes <= 0 || memoryBytes > MOST_BYTES || memoryBytes % PAGE_SIZE !== 0)
    throw new StopcodeError(
      "hypervisor/memory-size",
      `${whose} is to be a whole number of ${PAGE_SIZE}-byte pages, at most 4 GiB; ${memoryBytes} bytes are not`,
    );
  return memoryBytes / PAGE_SIZE;
}
