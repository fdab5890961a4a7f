import { PAGE_SIZE } from "../../binary/index.ts";
import type { GuestPhysicalMemory } from "../../hypervisor/index.ts";
import type { PageFrames } from "./page-frames.ts";
import { frameOf, isPresent, PAGE_KIND, pageEntry } from "./page-table-entry.ts";

const ENTRY_BYTES = 8;
/** Entries of a root from here on map the kernel's half, the same in every process. */
const FIRST_KERNEL_ENTRY = 256;

/**
 * A four-level set of page tables, built and changed by physical address, as a kernel does before it has mapped itself
 * and through the self-map later.
 */
export class PageTables {
  /** Page frame of the root (PML4). */
  readonly root: number;
  readonly #memory: GuestPhysicalMemory;
  readonly #frames: PageFrames;

  /** @param selfMapIndex entry of the root through which the tables are seen in virtual memory */
  constructor(memory: GuestPhysicalMemory, frames: PageFrames, selfMapIndex: number) {
    this.#memory = memory;
    this.#frames = frames;
    this.root = frames.takeZeroed();
    memory.writeU64(this.root * PAGE_SIZE + selfMapIndex * ENTRY_BYTES, pageEntry(this.root, PAGE_KIND.selfMap));
  }

  /** What CR3 holds while these tables are in force. */
  get directoryTableBase(): bigint {
    return BigInt(this.root * PAGE_SIZE);
  }

  /** Shares the kernel's half of another set. Its own self-map stays. */
  shareKernelHalf(kernel: PageTables, selfMapIndex: number): void {
    for (let index = FIRST_KERNEL_ENTRY; index < 512; index++) {
      if (index === selfMapIndex) continue;
      const at = index * ENTRY_BYTES;
      this.#memory.writeU64(this.root * PAGE_SIZE + at, this.#memory.readU64(kernel.root * PAGE_SIZE + at));
    }
  }

  map(address: bigint, frame: number, kind: bigint): void {
    this.#memory.writeU64(this.entry(address), pageEntry(frame, kind));
  }

  /** Maps consecutive pages to these frames, one each. */
  mapRun(address: bigint, frames: readonly number[], kind: bigint): void {
    this.#eachEntry(address, frames.length, (entry, page) =>
      this.#memory.writeU64(entry, pageEntry(frames[page]!, kind)),
    );
  }

  /** Clears the entries of consecutive pages. */
  unmapRun(address: bigint, pages: number): void {
    this.#eachEntry(address, pages, (entry) => this.#memory.writeU64(entry, 0n));
  }

  /** Clears the page's entry and tells which frame it had; null when there was none. */
  unmap(address: bigint): number | null {
    const entry = this.entry(address);
    const frame = this.#frameAt(entry);
    if (frame !== null) this.#memory.writeU64(entry, 0n);
    return frame;
  }

  /** Guest physical address of the byte a virtual address names; null when it is not mapped. */
  translate(address: bigint): number | null {
    const frame = this.#frameAt(this.entry(address));
    return frame === null ? null : frame * PAGE_SIZE + Number(address & 0xfffn);
  }

  /** Guest physical address of the page-table entry of a page, with the tables that lead to it made where they lack. */
  entry(address: bigint): number {
    const low = Number(address & 0xffff_ffffn);
    const high = Number((address >> 32n) & 0xffffn);
    let table = this.root;
    for (let level = 3; level > 0; level--) {
      const at = table * PAGE_SIZE + indexAt(high, low, level) * ENTRY_BYTES;
      const next = this.#frameAt(at);
      table = next ?? this.#frames.takeZeroed();
      if (next === null) this.#memory.writeU64(at, pageEntry(table, PAGE_KIND.table));
    }
    return table * PAGE_SIZE + indexAt(high, low, 0) * ENTRY_BYTES;
  }

  #frameAt(entry: number): number | null {
    const low = this.#memory.readU32(entry);
    return isPresent(low) ? frameOf(low, this.#memory.readU32(entry + 4)) : null;
  }

  /** Goes over consecutive entries, from table to table. */
  #eachEntry(address: bigint, pages: number, use: (entry: number, page: number) => void): void {
    let entry = 0;
    for (let page = 0; page < pages; page++, entry += ENTRY_BYTES) {
      if (entry % PAGE_SIZE === 0) entry = this.entry(address + BigInt(page * PAGE_SIZE));
      use(entry, page);
    }
  }
}

/** Which entry of a table an address uses; level 0 is the page table, level 3 the root. */
function indexAt(high: number, low: number, level: number): number {
  switch (level) {
    case 0:
      return (low >>> 12) & 511;
    case 1:
      return (low >>> 21) & 511;
    case 2:
      return ((low >>> 30) | (high << 2)) & 511;
    default:
      return (high >>> 7) & 511;
  }
}
