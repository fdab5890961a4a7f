import { MAP_ALL, MAP_READ, MAP_WRITE } from "../../src/hypervisor/frame-map.ts";
import type { PlainPartition } from "./sharing-partition.ts";

export interface TwinRequest {
  readonly owner: PlainPartition;
  readonly requester: PlainPartition;
  readonly pages: readonly number[];
  /** Host frames, shared and of the buffer, as they were when it was granted. */
  readonly frames: readonly number[];
  readonly buffer: readonly number[];
  readonly toShared: boolean;
  /** Half pages. */
  moved: number;
  blocked: boolean;
}

/**
 * Page sharing without any counting: only a list of what is outstanding. Every count, slot and bit that the real one keeps is
 * worked out from the list when it is asked for.
 */
export class SharingTwin {
  readonly outstanding: TwinRequest[] = [];
  /** Host frames that DMA may touch. */
  readonly open = new Set<number>();
  /** What each half of each host frame holds. */
  readonly halves: Uint8Array;

  constructor(frames: number) {
    this.halves = new Uint8Array(2 * frames);
  }

  accesses(frame: number): number {
    let accesses = 0;
    for (const { frames, buffer } of this.outstanding) {
      for (const each of frames) if (each === frame) accesses++;
      for (const each of buffer) if (each === frame) accesses++;
    }
    return accesses;
  }

  /** Pages of this partition that have to be mapped in its temporary range. */
  shared(owner: PlainPartition): Set<number> {
    return new Set(this.outstanding.flatMap((request) => (request.owner === owner ? request.pages : [])));
  }

  /** Why the request has to be refused; the request itself where it has to be granted. */
  request(
    owner: PlainPartition,
    pages: readonly number[],
    requester: PlainPartition,
    bufferPage: number,
    toShared: boolean,
    slots: number,
  ): string | TwinRequest {
    if (slots === 0) return "no-temporary-range";
    if (pages.length > slots) return "range-too-small";
    const refusal = (partition: PlainPartition, page: number, needs: number) => {
      const entry = page < partition.memory.pages ? partition.memory.map[page]! : 0;
      if (entry === 0) return "invalid-mapping";
      if (!this.open.has(entry >>> 12)) return "dma-excluded";
      return (entry & needs & MAP_ALL) === 0 ? "access-denied" : null;
    };
    const buffer = pages.map((_, index) => bufferPage + index);
    for (const page of pages) {
      const status = refusal(owner, page, toShared ? MAP_WRITE : MAP_READ);
      if (status !== null) return status;
    }
    for (const page of buffer) {
      const status = refusal(requester, page, toShared ? MAP_READ : MAP_WRITE);
      if (status !== null) return status;
    }
    if (new Set([...this.shared(owner), ...pages]).size > slots) return "range-full";
    const request = {
      owner,
      requester,
      pages,
      frames: pages.map((page) => owner.memory.hostFrame(page)!),
      buffer: buffer.map((page) => requester.memory.hostFrame(page)!),
      toShared,
      moved: 0,
      blocked: false,
    };
    this.outstanding.push(request);
    return request;
  }

  /** The device moves so many half pages, as far as it gets. */
  run(request: TwinRequest, halves: number): number {
    let moved = 0;
    while (!request.blocked && moved < halves && request.moved < 2 * request.frames.length) {
      const index = request.moved >>> 1;
      const [shared, buffer] = [request.frames[index]!, request.buffer[index]!];
      if (!this.open.has(shared) || !this.open.has(buffer)) {
        request.blocked = true;
        break;
      }
      const [from, to] = request.toShared ? [buffer, shared] : [shared, buffer];
      this.halves[2 * to + (request.moved & 1)] = this.halves[2 * from + (request.moved & 1)]!;
      request.moved++;
      moved++;
    }
    return moved;
  }

  end(request: TwinRequest): void {
    this.outstanding.splice(this.outstanding.indexOf(request), 1);
    for (const frame of [...request.frames, ...request.buffer]) if (this.accesses(frame) === 0) this.open.delete(frame);
  }

  /** The partition dies: all of its requests and those to its pages; the real ones of them, oldest first. */
  kill(partition: PlainPartition): TwinRequest[] {
    const dead = this.outstanding.filter(({ owner, requester }) => owner === partition || requester === partition);
    for (const request of dead) this.end(request);
    for (let page = 0; page < partition.memory.pages; page++) this.free(partition.memory.hostFrame(page));
    return dead;
  }

  /** A frame goes back to the host. */
  free(frame: number | null): void {
    if (frame === null) return;
    if (this.accesses(frame) > 0) throw new Error(`host frame ${frame} is given back while a device may reach it`);
    this.open.delete(frame);
    this.halves[2 * frame] = this.halves[2 * frame + 1] = 0;
  }
}
