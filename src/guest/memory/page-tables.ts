import { PAGE_SIZE } from "../../binary/index.ts";
import type { GuestPhysicalMemory, Partition } from "../../hypervisor/index.ts";
import type { PageFrames } from "./page-frames.ts";
import { FLAG_BITS, frameOf, isPresent, LARGE_PAGE, PAGE_KIND, pageEntry } from "./page-table-entry.ts";
import { TranslationFlush } from "./translation-flush.ts";

const ENTRY_BYTES = 8;
/** Entries of a root from here on map the kernel's half, the same in every process. */
const FIRST_KERNEL_ENTRY = 256;

/**
 * A four-level set of page tables, built and changed by physical address, as a kernel does before it has mapped itself
 * and through the self-map later.
 *
 * Before an entry is changed, or its flags are read, the hypervisor writes what it owes of accessed and dirty flags: a look by
 * physical address does not pass the processor, which would see to it. After a mapping has gone or changed, no
 * processor has the old one any more when the call returns.
 */
export class PageTables {
  /** Page frame of the root (PML4). */
  readonly root: number;
  /** What CR3 holds while these tables are in force: the root, and the process-context identifier. */
  readonly directoryTableBase: bigint;
  readonly #partition: Partition;
  readonly #memory: GuestPhysicalMemory;
  readonly #frames: PageFrames;
  readonly #flush: TranslationFlush;
  /** Whom to flush for: the kernel's tables are part of all. */
  readonly #space: bigint | null;

  /**
   * @param selfMapIndex entry of the root through which the tables are seen in virtual memory
   * @param pcid process-context identifier; 0 is the kernel's own
   */
  constructor(partition: Partition, frames: PageFrames, selfMapIndex: number, pcid = 0) {
    this.#partition = partition;
    this.#memory = partition.memory;
    this.#frames = frames;
    this.#flush = new TranslationFlush(partition);
    this.root = frames.takeZeroed();
    this.directoryTableBase = BigInt(this.root * PAGE_SIZE + pcid);
    this.#space = pcid === 0 ? null : this.directoryTableBase;
    this.#memory.writeU64(this.root * PAGE_SIZE + selfMapIndex * ENTRY_BYTES, pageEntry(this.root, PAGE_KIND.selfMap));
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
    this.mapRun(address, [frame], kind);
  }

  /** Maps consecutive pages to these frames, one each. */
  mapRun(address: bigint, frames: readonly number[], kind: bigint): void {
    this.#change(address, frames.length, (entry, page) => this.#memory.writeU64(entry, pageEntry(frames[page]!, kind)));
  }

  /** Maps 2 MiB, where nothing was mapped before, to as many consecutive frames; both begin at a multiple of 2 MiB. */
  mapLarge(address: bigint, firstFrame: number, kind: bigint): void {
    this.#memory.writeU64(this.#entryAt(address, 1), pageEntry(firstFrame, kind | LARGE_PAGE));
  }

  /** Clears the entries of consecutive pages. */
  unmapRun(address: bigint, pages: number): void {
    this.#change(address, pages, (entry) => this.#memory.writeU64(entry, 0n));
  }

  /** Clears the page's entry and tells which frame it had; null when there was none. */
  unmap(address: bigint): number | null {
    const frame = this.#frameAt(this.entry(address));
    if (frame !== null) this.unmapRun(address, 1);
    return frame;
  }

  /**
   * Reads the accessed and dirty flags of consecutive pages (`ACCESSED_BIT`, `DIRTY_BIT`) and clears them: what is set at
   * the next look has been used since this one.
   */
  takeFlags(address: bigint, flags: Uint8Array): void {
    this.#change(address, flags.length, (entry, page) => {
      const low = this.#memory.readU32(entry);
      flags[page] = low & FLAG_BITS;
      this.#memory.writeU32(entry, low & ~FLAG_BITS);
    });
  }

  /** Guest physical address of the byte a virtual address names; null when it is not mapped. */
  translate(address: bigint): number | null {
    const frame = this.#frameAt(this.entry(address));
    return frame === null ? null : frame * PAGE_SIZE + Number(address & 0xfffn);
  }

  /** Guest physical address of the page-table entry of a page, with the tables that lead to it made where they lack. */
  entry(address: bigint): number {
    return this.#entryAt(address, 0);
  }

  /** The entry of a level, 0 the page table's. */
  #entryAt(address: bigint, lowest: number): number {
    const low = Number(address & 0xffff_ffffn);
    const high = Number((address >> 32n) & 0xffffn);
    let table = this.root;
    for (let level = 3; level > lowest; level--) {
      const at = table * PAGE_SIZE + indexAt(high, low, level) * ENTRY_BYTES;
      const next = this.#frameAt(at);
      table = next ?? this.#frames.takeZeroed();
      if (next === null) this.#memory.writeU64(at, pageEntry(table, PAGE_KIND.table));
    }
    return table * PAGE_SIZE + indexAt(high, low, lowest) * ENTRY_BYTES;
  }

  #frameAt(entry: number): number | null {
    const low = this.#memory.readU32(entry);
    return isPresent(low) ? frameOf(low, this.#memory.readU32(entry + 4)) : null;
  }

  /** Changes consecutive entries, from table to table; what was mapped before is flushed. */
  #change(address: bigint, pages: number, change: (entry: number, page: number) => void): void {
    this.#partition.synchronizeFlags();
    let entry = 0;
    let wasMapped = false;
    for (let page = 0; page < pages; page++, entry += ENTRY_BYTES) {
      if (entry % PAGE_SIZE === 0) entry = this.entry(address + BigInt(page * PAGE_SIZE));
      wasMapped ||= isPresent(this.#memory.readU32(entry));
      change(entry, page);
    }
    if (wasMapped) this.#flush.pages(this.#space, address, pages);
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
