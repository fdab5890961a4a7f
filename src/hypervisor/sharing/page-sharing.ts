import { hex, PAGE_SIZE, StopcodeError } from "../../binary/index.ts";
import { MAP_READ, MAP_WRITE } from "../frame-map.ts";
import type { HostMemory } from "../host-memory.ts";
import { DmaController, type DmaDescriptor, type DmaDirection } from "./dma.ts";
import { ExclusionVector } from "./exclusion-vector.ts";
import type { SharingPartition } from "./guest-pages.ts";
import { PendingAccesses } from "./pending-accesses.ts";
import { SharedPages } from "./shared-pages.ts";
import { type SharingReport, sharingReport } from "./sharing-report.ts";
import { TemporaryRange } from "./temporary-range.ts";

/** What the second partition asks for: a device is to move pages between its own memory and pages of the first. */
export interface SharingOrder {
  readonly owner: SharingPartition;
  /** Guest frames of the owner. A frame may come more than once: each time is an access of its own. */
  readonly pages: readonly number[];
  readonly requester: SharingPartition;
  /** The first of as many guest frames of the requester, one after another. */
  readonly bufferPage: number;
  readonly device: string;
  readonly direction: DmaDirection;
}

/** A request that was granted: its accesses are pending until it is completed or drained. */
export interface SharingRequest extends SharingOrder {
  readonly descriptor: DmaDescriptor;
}

/**
 * Why a request was refused, and that nothing has changed.
 * `no-temporary-range`: the owner has set none aside. `range-too-small`: it never holds so many pages. `range-full`: it will,
 * when others have completed. `invalid-mapping`: no guest frame, a hole, or a host frame that is another's. `access-denied`: the
 * partition itself may not do with the page what the device would. `dma-excluded`: the exclusion vector forbids the page.
 */
export type RefusalStatus =
  | "no-temporary-range"
  | "range-too-small"
  | "range-full"
  | "invalid-mapping"
  | "access-denied"
  | "dma-excluded";

export interface SharingRefusal {
  readonly status: RefusalStatus;
  /** The partition and its guest frame that are in the way; the owner and null where it is the range. */
  readonly partition: string;
  readonly page: number | null;
}

export type SharingAnswer = { readonly status: "success"; readonly request: SharingRequest } | SharingRefusal;

/**
 * Pages of one partition that another's devices reach (US7334076; systems.md section 3).
 *
 * A page is counted before anything is mapped or programmed, and closed to DMA before its mapping goes; in between its host
 * frame stays where it is. `beforeMapChange` has to be asked by whoever changes a partition's map, `drain` called before a
 * partition's memory is given back.
 */
export class PageSharing {
  readonly exclusion: ExclusionVector;
  readonly pending: PendingAccesses;
  readonly dma: DmaController;
  readonly #shared = new Map<SharingPartition, SharedPages>();
  readonly #requests = new Set<SharingRequest>();
  #granted = 0;
  #refused = 0;
  #drained = 0;

  constructor(host: HostMemory) {
    this.exclusion = new ExclusionVector(host.frames);
    this.pending = new PendingAccesses(host.frames);
    this.dma = new DmaController(host, this.exclusion);
  }

  /**
   * Sets a part of a partition's guest physical space aside for pages that will be shared. It has to be holes.
   * @throws StopcodeError `hypervisor/temporary-range` when it is not, or when the partition has a range already
   */
  setAside(owner: SharingPartition, basePage: number, pages: number): void {
    if (this.#shared.has(owner)) throw rangeError(owner, "has a temporary range already");
    const fits = Number.isInteger(basePage) && Number.isInteger(pages) && basePage >= 0 && pages > 0;
    if (!fits || basePage + pages > owner.memory.map.length)
      throw rangeError(owner, `has no ${pages} guest frames from ${basePage} on`);
    for (let page = basePage; page < basePage + pages; page++)
      if (owner.memory.hostFrame(page) !== null)
        throw rangeError(owner, `has memory at ${hex(page * PAGE_SIZE)}, where its temporary range is to be`);
    this.#shared.set(owner, new SharedPages(owner, new TemporaryRange(basePage, pages)));
  }

  /**
   * A partition opens pages of its own to DMA, each until the last pending access to it has ended.
   * @throws StopcodeError `hypervisor/unmapped-gpa` where one is a hole or not its own; none is opened then
   */
  allowDma(partition: SharingPartition, firstPage: number, pageCount: number): void {
    for (let page = firstPage; page < firstPage + pageCount; page++)
      if (!partition.memory.ownsFrame(page))
        throw new StopcodeError(
          "hypervisor/unmapped-gpa",
          `partition ${partition.name} has no memory of its own at guest physical address ${hex(page * PAGE_SIZE)}`,
        );
    for (let page = firstPage; page < firstPage + pageCount; page++)
      this.exclusion.allow(partition.memory.hostFrame(page)!);
  }

  /** Steps 2 to 5 of systems.md 3.2: count and verify, map, program. */
  request(order: SharingOrder): SharingAnswer {
    const shared = this.#shared.get(order.owner);
    const answer = shared === undefined ? refused("no-temporary-range", order.owner, null) : this.#grant(shared, order);
    if (answer.status === "success") this.#granted++;
    else this.#refused++;
    return answer;
  }

  /**
   * The requester is done (steps 6 to 8). What its device has not moved by now it never moves.
   * @throws StopcodeError `hypervisor/unknown-request` for one that was completed or drained before
   */
  complete(request: SharingRequest): void {
    if (!this.#requests.delete(request))
      throw new StopcodeError(
        "hypervisor/unknown-request",
        `the request of partition ${request.requester.name} to pages of ${request.owner.name} is not pending`,
      );
    this.#end(request);
  }

  /**
   * A partition ends: its transfers and those to its pages are aborted, their accesses taken back, all its pages closed to
   * DMA, its temporary range forgotten. Has to come before its memory is given back.
   */
  drain(partition: SharingPartition): void {
    for (const request of this.#requests) {
      if (request.owner !== partition && request.requester !== partition) continue;
      this.#requests.delete(request);
      this.#end(request);
      this.#drained++;
    }
    this.#shared.delete(partition);
    this.#close(partition, 0, partition.memory.pages);
  }

  /**
   * To be called before guest frames get another host frame, other rights, or none.
   * Those that may change are closed to DMA: the next owner of the host frame has not opened it.
   * @throws StopcodeError `hypervisor/object-in-use` where one has a pending access or is set aside
   */
  beforeMapChange(partition: SharingPartition, firstPage: number, pageCount: number): void {
    const range = this.#shared.get(partition)?.range;
    const end = Math.min(firstPage + pageCount, partition.memory.map.length);
    for (let page = firstPage; page < end; page++) {
      const frame = partition.memory.hostFrame(page);
      if (range?.has(page) || (frame !== null && this.pending.of(frame) > 0))
        throw new StopcodeError(
          "hypervisor/object-in-use",
          range?.has(page)
            ? `partition ${partition.name} has set guest physical address ${hex(page * PAGE_SIZE)} aside for shared pages`
            : `guest physical address ${hex(page * PAGE_SIZE)} of partition ${partition.name} is locked for I/O`,
          { where: { address: hex(page * PAGE_SIZE) }, hint: "complete the transfers first" },
        );
    }
    this.#close(partition, firstPage, end);
  }

  /** What was under way, for a dump; and where the books do not agree with the devices. */
  report(): SharingReport {
    return sharingReport(this.pending, [...this.#shared.values()], this.#requests, this.dma.descriptors);
  }

  /** Requests that were granted and have not ended. */
  get requests(): readonly SharingRequest[] {
    return [...this.#requests];
  }

  /** What each partition that has set a range aside shares. */
  get shared(): readonly SharedPages[] {
    return [...this.#shared.values()];
  }

  counters(): Record<string, number> {
    const ranges = [...this.#shared.values()].map(({ range }) => range);
    return {
      sharingRequestsGranted: this.#granted,
      sharingRequestsRefused: this.#refused,
      sharingRequestsDrained: this.#drained,
      sharingRequestsPending: this.#requests.size,
      temporaryPages: ranges.reduce((sum, { pages }) => sum + pages, 0),
      temporaryPagesInUse: ranges.reduce((sum, { pages, free }) => sum + pages - free, 0),
      dmaBytes: this.dma.movedBytes,
      dmaBlocked: this.dma.blocked,
    };
  }

  #grant(shared: SharedPages, order: SharingOrder): SharingAnswer {
    const { owner, requester, bufferPage, device, direction } = order;
    if (order.pages.length > shared.range.pages) return refused("range-too-small", owner, null);
    // A copy: the pages that are counted now are those that will be counted back.
    const pages = order.pages.slice();
    const toShared = direction === "to-shared";
    const frames = this.#pin(owner, pages, toShared ? MAP_WRITE : MAP_READ);
    if (!(frames instanceof Uint32Array)) return frames;
    const bufferPages = pages.map((_, index) => bufferPage + index);
    const buffer = this.#pin(requester, bufferPages, toShared ? MAP_READ : MAP_WRITE);
    if (!(buffer instanceof Uint32Array)) {
      this.#takeBack(frames, frames.length);
      return buffer;
    }
    if (!shared.begin(pages)) {
      this.#takeBack(frames, frames.length);
      this.#takeBack(buffer, buffer.length);
      return refused("range-full", owner, null);
    }
    for (let index = 0; index < pages.length; index++)
      shared.map(pages[index]!, frames[index]!, owner.memory.map[pages[index]!]! & (MAP_READ | MAP_WRITE));
    const request = { ...order, pages, descriptor: this.dma.program({ device, frames, buffer, direction }) };
    this.#requests.add(request);
    return { status: "success", request };
  }

  /**
   * For each page: counts an access to the host frame behind it, and then verifies that it is allowed.
   * @returns the host frames; or the first refusal, with every count as it was
   */
  #pin(partition: SharingPartition, pages: readonly number[], needs: number): Uint32Array | SharingRefusal {
    const { memory } = partition;
    const frames = new Uint32Array(pages.length);
    for (let index = 0; index < pages.length; index++) {
      const page = pages[index]!;
      if (!memory.ownsFrame(page)) {
        this.#takeBack(frames, index);
        return refused("invalid-mapping", partition, page);
      }
      const entry = memory.map[page]!;
      const frame = entry >>> 12;
      this.pending.begin(frame);
      frames[index] = frame;
      const excluded = this.exclusion.excludes(frame);
      if (!excluded && (entry & needs) !== 0) continue;
      this.#takeBack(frames, index + 1);
      return refused(excluded ? "dma-excluded" : "access-denied", partition, page);
    }
    return frames;
  }

  /** Takes accesses of a refused request back: nothing was mapped for them, and nothing is closed. */
  #takeBack(frames: Uint32Array, count: number): void {
    for (let index = 0; index < count; index++) this.pending.end(frames[index]!);
  }

  /** The device is stopped; then for each page: count down, at 0 close it to DMA, at 0 remove its mapping, in that order. */
  #end({ owner, pages, descriptor }: SharingRequest): void {
    const shared = this.#shared.get(owner)!;
    const { frames, buffer } = descriptor;
    this.dma.retire(descriptor);
    for (let index = 0; index < buffer.length; index++) this.#unpin(buffer[index]!);
    for (let index = 0; index < pages.length; index++) {
      const left = shared.end(pages[index]!);
      this.#unpin(frames[index]!);
      if (left === 0) shared.unmap(pages[index]!);
    }
  }

  /** Counts down; at 0 the frame is closed to DMA. */
  #unpin(frame: number): void {
    if (this.pending.end(frame) === 0) this.exclusion.exclude(frame);
  }

  #close(partition: SharingPartition, firstPage: number, end: number): void {
    for (let page = firstPage; page < end; page++)
      if (partition.memory.ownsFrame(page)) this.exclusion.exclude(partition.memory.hostFrame(page)!);
  }
}

function refused(status: RefusalStatus, partition: SharingPartition, page: number | null): SharingRefusal {
  return { status, partition: partition.name, page };
}

function rangeError(owner: SharingPartition, what: string): StopcodeError {
  return new StopcodeError("hypervisor/temporary-range", `partition ${owner.name} ${what}`, {
    hint: "set aside guest frames without memory: unmap some first, or take them beyond its memory",
  });
}
