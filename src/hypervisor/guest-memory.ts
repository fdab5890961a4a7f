import { hex, PAGE_SIZE, type PageRun, type PageState, type PhysicalMemory, StopcodeError } from "../binary/index.ts";
import type { TableMemory } from "../paging/index.ts";
import { type GuestFrames, HOLE, MAP_ALL, MAP_BYTES, MAP_ENTRIES, MAP_FRAME, MAP_READ, mapEntry } from "./frame-map.ts";
import { type HostMemory, pagesOf } from "./host-memory.ts";
import { runsOf } from "./page-runs.ts";

const PAGE_MASK = PAGE_SIZE - 1;

/** Asked before the map of these pages changes: it throws where that must not be. */
export type MapGuard = (firstPage: number, pageCount: number) => void;

/** Told that the map of these pages has changed: no translation made before may be used after it returns. */
export type MapListener = (firstPage: number, pageCount: number) => void;

/**
 * A partition's physical memory, by guest physical address (GPA).
 *
 * Each guest frame has a host frame of its own or none at all. What the map lets the guest do with a page
 * (`MAP_READ`, `MAP_WRITE`, `MAP_EXECUTE`) binds its processors, not the readers and writers here. Reading and writing take addresses of any alignment;
 * all of them throw StopcodeError `hypervisor/unmapped-gpa` where an address has no memory (only `read`, the face that
 * dumps and machines have in common, throws `memory/absent` there), and a write that does has changed nothing.
 */
export class GuestPhysicalMemory implements PhysicalMemory, TableMemory, GuestFrames {
  /** Guest frames, mapped or not. */
  readonly pages: number;
  /** Guest frame number to host frame and rights: the entries of frame-map.ts. Changed by the methods here only. */
  readonly map: Int32Array;
  readonly #host: HostMemory;
  readonly #guards: MapGuard[] = [];
  readonly #listeners: MapListener[] = [];
  /** Guest frames whose host frame is another's. */
  readonly #foreign = new Set<number>();

  /** @throws StopcodeError `hypervisor/memory-size`, `hypervisor/out-of-memory` */
  constructor(host: HostMemory, memoryBytes: number) {
    this.pages = pagesOf(memoryBytes, "a partition's memory");
    this.#host = host;
    this.map = new Int32Array(MAP_ENTRIES);
    this.map.set(Int32Array.from(host.allocate(this.pages), (frame) => mapEntry(frame, MAP_ALL)));
  }

  /** All of the host's memory, as words: what the map's entries point into. */
  get words(): Int32Array {
    return this.#host.words;
  }

  /** The host frame behind a guest frame; null for a hole. */
  hostFrame(page: number): number | null {
    const entry = this.map[page] ?? HOLE;
    return entry === HOLE ? null : entry >>> 12;
  }

  /** Whether the host frame behind a guest frame is this partition's own: not one that `mapFrame` put there, and no hole. */
  ownsFrame(page: number): boolean {
    return this.hostFrame(page) !== null && !this.#foreign.has(page);
  }

  /**
   * Puts a host frame, which stays its owner's, where there is a hole, within `pages` or beyond.
   * @throws StopcodeError `hypervisor/page-range` where there is no hole, and for rights without reading
   */
  mapFrame(page: number, hostFrame: number, rights: number): void {
    if (!(page >= 0 && page < MAP_ENTRIES) || this.map[page] !== HOLE)
      throw new StopcodeError("hypervisor/page-range", `guest frame ${hex(page)} is no hole`);
    if ((rights & MAP_READ) === 0) throw unreadable();
    this.map[page] = mapEntry(hostFrame, rights & MAP_ALL);
    this.#foreign.add(page);
    this.#host.tableWrites.wroteFrame(hostFrame);
    this.#changed(page, 1);
  }

  /** Makes a hole again of what `mapFrame` made; the host frame is not given back. Anything else stays as it is. */
  unmapFrame(page: number): void {
    if (!this.#foreign.delete(page)) return;
    // Through this guest frame it may have been written unseen.
    this.#host.tableWrites.wroteFrame(this.map[page]! >>> 12);
    this.map[page] = HOLE;
    this.#changed(page, 1);
  }

  /** From now on, asks before `unmap` and `protect` change anything: sharing pins what a device is at work on. */
  guardMap(guard: MapGuard): void {
    this.#guards.push(guard);
  }

  /** From now on, tells about every change of the map, when it is done. */
  onMapChange(listener: MapListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Sets what the partition's processors may do with these pages (`MAP_…` bits, `MAP_READ` among them); holes stay holes.
   * @throws StopcodeError `hypervisor/page-range` for rights without reading: such a page would have to be a hole
   */
  protect(firstPage: number, pageCount: number, rights: number): void {
    if ((rights & MAP_READ) === 0) throw unreadable();
    this.#ask(firstPage, pageCount);
    for (let page = firstPage; page < firstPage + pageCount; page++)
      if (this.hostFrame(page) !== null) this.map[page] = (this.map[page]! & MAP_FRAME) | (rights & MAP_ALL);
    this.#changed(firstPage, pageCount);
  }

  /** Gives this partition's host frames of these pages back, zeroed, and leaves holes; what is not its own stays as it is. */
  unmap(firstPage: number, pageCount: number): void {
    this.#ask(firstPage, pageCount);
    const released: number[] = [];
    for (let page = firstPage; page < firstPage + pageCount; page++) {
      if (!this.ownsFrame(page)) continue;
      released.push(this.hostFrame(page)!);
      this.map[page] = HOLE;
    }
    // Nobody may hold a translation to a frame that could have another owner.
    this.#changed(firstPage, pageCount);
    for (const frame of released) this.#host.release(frame);
  }

  readU8(gpa: number): number {
    return this.#host.bytes[this.#locate(gpa)]!;
  }

  readU16(gpa: number): number {
    return fits(gpa, 2) ? this.#host.view.getUint16(this.#locate(gpa), true) : this.#gather(gpa, 2).getUint16(0, true);
  }

  readU32(gpa: number): number {
    return fits(gpa, 4) ? this.#host.view.getUint32(this.#locate(gpa), true) : this.#gather(gpa, 4).getUint32(0, true);
  }

  readU64(gpa: number): bigint {
    return fits(gpa, 8)
      ? this.#host.view.getBigUint64(this.#locate(gpa), true)
      : this.#gather(gpa, 8).getBigUint64(0, true);
  }

  writeU8(gpa: number, value: number): void {
    this.#host.bytes[this.#locateToWrite(gpa)] = value;
  }

  writeU16(gpa: number, value: number): void {
    if (fits(gpa, 2)) this.#host.view.setUint16(this.#locateToWrite(gpa), value, true);
    else this.#scatter(gpa, 2, (view) => view.setUint16(0, value, true));
  }

  writeU32(gpa: number, value: number): void {
    if (fits(gpa, 4)) this.#host.view.setUint32(this.#locateToWrite(gpa), value, true);
    else this.#scatter(gpa, 4, (view) => view.setUint32(0, value, true));
  }

  writeU64(gpa: number, value: bigint): void {
    if (fits(gpa, 8)) this.#host.view.setBigUint64(this.#locateToWrite(gpa), value, true);
    else this.#scatter(gpa, 8, (view) => view.setBigUint64(0, value, true));
  }

  readWord(gpa: number): number {
    return this.#host.words[this.#locate(gpa) >>> 2]!;
  }

  writeWord(gpa: number, value: number): void {
    this.#host.words[this.#locateToWrite(gpa) >>> 2] = value;
  }

  /** A copy. @throws StopcodeError `memory/absent` when any byte of it lies in a hole or beyond the end */
  read(gpa: number, length: number): Uint8Array {
    const hole = this.#firstHole(gpa, length);
    if (hole >= 0)
      throw new StopcodeError("memory/absent", `guest physical address ${hex(hole)} has no memory`, {
        where: { address: hex(hole) },
      });
    const bytes = new Uint8Array(length);
    this.readInto(gpa, bytes);
    return bytes;
  }

  /** Fills `bytes` with what lies at an address. */
  readInto(gpa: number, bytes: Uint8Array): void {
    this.#eachPart(gpa, bytes.length, (at, from, part) => bytes.set(this.#host.bytes.subarray(at, at + part), from));
  }

  write(gpa: number, bytes: Uint8Array): void {
    this.#mustBeMapped(gpa, bytes.length);
    this.#eachPart(gpa, bytes.length, (at, from, part) => {
      this.#host.tableWrites.wroteFrame(at >>> 12);
      this.#host.bytes.set(bytes.subarray(from, from + part), at);
    });
  }

  fill(gpa: number, length: number, value: number): void {
    this.#mustBeMapped(gpa, length);
    this.#eachPart(gpa, length, (at, _from, part) => {
      this.#host.tableWrites.wroteFrame(at >>> 12);
      this.#host.bytes.fill(value, at, at + part);
    });
  }

  /** The 4096 bytes of a guest frame themselves, not a copy: what is written to them is written to the guest's memory. */
  view(page: number): Uint8Array {
    const at = this.#locate(page * PAGE_SIZE);
    this.#host.tableWrites.handedOut[at >>> 12] = 1;
    return this.#host.bytes.subarray(at, at + PAGE_SIZE);
  }

  /** Zeroes every page of its own. */
  clear(): void {
    for (let page = 0; page < this.pages; page++) if (this.ownsFrame(page)) this.fill(page * PAGE_SIZE, PAGE_SIZE, 0);
  }

  /** Gives all of its own host frames back, zeroed, and lets go of all others. */
  release(): void {
    for (const page of this.#foreign) this.unmapFrame(page);
    this.unmap(0, this.pages);
  }

  runs(): readonly PageRun[] {
    return runsOf(this.pages, (page) => this.map[page] !== HOLE);
  }

  pageState(pfn: number): PageState {
    return this.hostFrame(pfn) === null ? "absent" : "present";
  }

  /** Host byte address of a guest one. */
  #locate(gpa: number): number {
    if (gpa >= 0 && gpa < MAP_BYTES) {
      const entry = this.map[gpa >>> 12]!;
      if (entry !== HOLE) return ((entry & MAP_FRAME) | (gpa & PAGE_MASK)) >>> 0;
    }
    throw unmapped(gpa);
  }

  /** The same for a write of at most 8 bytes. */
  #locateToWrite(gpa: number): number {
    const at = this.#locate(gpa);
    this.#host.tableWrites.wrote(at);
    return at;
  }

  #ask(firstPage: number, pageCount: number): void {
    for (const guard of this.#guards) guard(firstPage, pageCount);
  }

  #changed(firstPage: number, pageCount: number): void {
    for (const listener of this.#listeners) listener(firstPage, pageCount);
  }

  #gather(gpa: number, length: number): DataView {
    const view = new DataView(new ArrayBuffer(length));
    for (let i = 0; i < length; i++) view.setUint8(i, this.readU8(gpa + i));
    return view;
  }

  #scatter(gpa: number, length: number, set: (view: DataView) => void): void {
    const view = new DataView(new ArrayBuffer(length));
    set(view);
    this.write(gpa, new Uint8Array(view.buffer));
  }

  #firstHole(gpa: number, length: number): number {
    const end = gpa + length;
    for (let at = gpa; at < end; at = (Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE)
      if (this.hostFrame(Math.floor(at / PAGE_SIZE)) === null) return at;
    return -1;
  }

  #mustBeMapped(gpa: number, length: number): void {
    const hole = this.#firstHole(gpa, length);
    if (hole >= 0) throw unmapped(hole);
  }

  /** Cuts a range that is known to be mapped at page borders. */
  #eachPart(gpa: number, length: number, part: (hostAddress: number, from: number, bytes: number) => void): void {
    for (let from = 0; from < length; ) {
      const bytes = Math.min(PAGE_SIZE - ((gpa + from) & PAGE_MASK), length - from);
      part(this.#locate(gpa + from), from, bytes);
      from += bytes;
    }
  }
}

/** Whether so many bytes at this address stay within one page. */
function fits(gpa: number, bytes: number): boolean {
  return (gpa & PAGE_MASK) + bytes <= PAGE_SIZE;
}

function unreadable(): StopcodeError {
  return new StopcodeError("hypervisor/page-range", "a page that may not even be read is to be unmapped");
}

/** What an access to memory that the partition does not have comes to. */
export function unmapped(gpa: number): StopcodeError {
  return new StopcodeError("hypervisor/unmapped-gpa", `guest physical address ${hex(gpa)} has no memory`, {
    where: { address: hex(gpa) },
  });
}
