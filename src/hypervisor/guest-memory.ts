import { hex, PAGE_SIZE, type PageRun, type PageState, type PhysicalMemory, StopcodeError } from "../binary/index.ts";
import type { TableMemory } from "../paging/index.ts";
import { type HostMemory, pagesOf } from "./host-memory.ts";
import { runsOf } from "./page-runs.ts";

/** In the map: this guest frame has no host frame. */
const UNMAPPED = -1;
const PAGE_MASK = PAGE_SIZE - 1;

/**
 * A partition's physical memory, by guest physical address (GPA).
 *
 * Each guest frame has a host frame of its own or none at all. Reading and writing take addresses of any alignment;
 * all of them throw StopcodeError `hypervisor/unmapped-gpa` where an address has no memory (only `read`, the face that
 * dumps and machines have in common, throws `memory/absent` there), and a write that does has changed nothing.
 */
export class GuestPhysicalMemory implements PhysicalMemory, TableMemory {
  /** Guest frames, mapped or not. */
  readonly pages: number;
  readonly #host: HostMemory;
  readonly #map: Int32Array;
  readonly #limit: number;

  /** @throws StopcodeError `hypervisor/memory-size`, `hypervisor/out-of-memory` */
  constructor(host: HostMemory, memoryBytes: number) {
    this.pages = pagesOf(memoryBytes, "a partition's memory");
    this.#host = host;
    this.#map = Int32Array.from(host.allocate(this.pages));
    this.#limit = memoryBytes;
  }

  /** The host frame behind a guest frame; null for a hole. */
  hostFrame(page: number): number | null {
    const frame = this.#map[page];
    return frame === undefined || frame === UNMAPPED ? null : frame;
  }

  /** Gives the host frames of these pages back, zeroed, and leaves holes. A page that is a hole already stays one. */
  unmap(firstPage: number, pageCount: number): void {
    for (let page = firstPage; page < firstPage + pageCount; page++) {
      const frame = this.hostFrame(page);
      if (frame === null) continue;
      this.#map[page] = UNMAPPED;
      this.#host.release(frame);
    }
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
    this.#host.bytes[this.#locate(gpa)] = value;
  }

  writeU16(gpa: number, value: number): void {
    if (fits(gpa, 2)) this.#host.view.setUint16(this.#locate(gpa), value, true);
    else this.#scatter(gpa, 2, (view) => view.setUint16(0, value, true));
  }

  writeU32(gpa: number, value: number): void {
    if (fits(gpa, 4)) this.#host.view.setUint32(this.#locate(gpa), value, true);
    else this.#scatter(gpa, 4, (view) => view.setUint32(0, value, true));
  }

  writeU64(gpa: number, value: bigint): void {
    if (fits(gpa, 8)) this.#host.view.setBigUint64(this.#locate(gpa), value, true);
    else this.#scatter(gpa, 8, (view) => view.setBigUint64(0, value, true));
  }

  readWord(gpa: number): number {
    return this.#host.words[this.#locate(gpa) >>> 2]!;
  }

  writeWord(gpa: number, value: number): void {
    this.#host.words[this.#locate(gpa) >>> 2] = value;
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
    this.#eachPart(gpa, bytes.length, (at, from, part) => this.#host.bytes.set(bytes.subarray(from, from + part), at));
  }

  fill(gpa: number, length: number, value: number): void {
    this.#mustBeMapped(gpa, length);
    this.#eachPart(gpa, length, (at, _from, part) => this.#host.bytes.fill(value, at, at + part));
  }

  /** The 4096 bytes of a guest frame themselves, not a copy: what is written to them is written to the guest's memory. */
  view(page: number): Uint8Array {
    const at = this.#locate(page * PAGE_SIZE);
    return this.#host.bytes.subarray(at, at + PAGE_SIZE);
  }

  /** Zeroes every page that is mapped. */
  clear(): void {
    for (let page = 0; page < this.pages; page++) if (this.#map[page] !== UNMAPPED) this.view(page).fill(0);
  }

  runs(): readonly PageRun[] {
    return runsOf(this.pages, (page) => this.#map[page] !== UNMAPPED);
  }

  pageState(pfn: number): PageState {
    return this.hostFrame(pfn) === null ? "absent" : "present";
  }

  /** Host byte address of a guest one. Every access comes by here: the limit also keeps `>>>` within 32 bits. */
  #locate(gpa: number): number {
    if (gpa >= 0 && gpa < this.#limit) {
      const frame = this.#map[gpa >>> 12]!;
      if (frame !== UNMAPPED) return frame * PAGE_SIZE + (gpa & PAGE_MASK);
    }
    throw unmapped(gpa);
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

function unmapped(gpa: number): StopcodeError {
  return new StopcodeError("hypervisor/unmapped-gpa", `guest physical address ${hex(gpa)} has no memory`, {
    where: { address: hex(gpa) },
  });
}
