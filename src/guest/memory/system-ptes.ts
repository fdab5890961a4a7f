import { layout, PAGE_SIZE, u64 } from "../../binary/index.ts";
import type { GuestPhysicalMemory } from "../../hypervisor/index.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import { PAGE_KIND } from "./page-table-entry.ts";
import type { PageTables } from "./page-tables.ts";

/** The allocator's variable in .data, MiSystemPteBitmap. */
export const systemPteBitmap = layout("SYSTEM_PTE_BITMAP", 0x20, {
  sizeOfBitmap: u64(0x00, "bits: one for each system PTE, set while it is reserved"),
  buffer: u64(0x08),
  hint: u64(0x10, "where the next search begins"),
  freeCount: u64(0x18),
});

/** One bit each in a page. */
export const MOST_SYSTEM_PTES = PAGE_SIZE * 8;

const WORD_BITS = 32;
const FULL_WORD = 0xffff_ffff;

/**
 * System page-table entries: a range of addresses that drivers' pages are mapped into, run by run.
 * The search uses a bitmap in nonpaged memory; that an entry is in use shows in the page tables themselves, where it is valid.
 */
export class SystemPtes {
  readonly start: bigint;
  readonly total: number;
  readonly #variable: bigint;
  readonly #bitmap: number;
  readonly #physical: GuestPhysicalMemory;
  readonly #memory: KernelMemory;
  readonly #tables: PageTables;

  /**
   * @param place.variable address of MiSystemPteBitmap
   * @param place.bitmap address of the bitmap, a page of its own: so there are MOST_SYSTEM_PTES at most
   */
  constructor(
    place: { readonly start: bigint; readonly total: number; readonly variable: bigint; readonly bitmap: bigint },
    memory: KernelMemory,
    physical: GuestPhysicalMemory,
    tables: PageTables,
  ) {
    this.start = place.start;
    this.total = place.total;
    this.#variable = place.variable;
    this.#bitmap = tables.translate(place.bitmap)!;
    this.#physical = physical;
    this.#memory = memory;
    this.#tables = tables;
    memory.put(systemPteBitmap, place.variable, {
      sizeOfBitmap: BigInt(place.total),
      buffer: place.bitmap,
      hint: 0n,
      freeCount: BigInt(place.total),
    });
    for (let index = 0; index < place.total; index += 512) tables.entry(this.address(index)); // so that every table is there
  }

  get end(): bigint {
    return this.address(this.total);
  }

  contains(address: bigint): boolean {
    return address >= this.start && address < this.end;
  }

  get free(): number {
    return Number(this.#get("freeCount"));
  }

  address(index: number): bigint {
    return this.start + BigInt(index * PAGE_SIZE);
  }

  indexOf(address: bigint): number {
    return Number((address - this.start) / BigInt(PAGE_SIZE));
  }

  /** Reserves a run and returns its first index; -1 when there is none that long. */
  reserve(count: number): number {
    const hint = Number(this.#get("hint"));
    let first = this.#search(hint, this.total, count);
    if (first < 0) first = this.#search(0, Math.min(this.total, hint + count), count);
    if (first < 0) return -1;
    this.#mark(first, count, true);
    this.#set("hint", BigInt(first + count));
    this.#set("freeCount", this.#get("freeCount") - BigInt(count));
    return first;
  }

  /** Makes reserved entries valid, one a frame. */
  fill(first: number, frames: readonly number[]): void {
    this.#tables.mapRun(this.address(first), frames, PAGE_KIND.kernelData);
  }

  /** Makes the entries invalid and the run free. */
  release(first: number, count: number): void {
    this.#tables.unmapRun(this.address(first), count);
    this.#mark(first, count, false);
    this.#set("freeCount", this.#get("freeCount") + BigInt(count));
  }

  /** The longest run that could be reserved. */
  largestFreeRun(): number {
    let longest = 0;
    for (let index = 0, run = 0; index < this.total; index++) {
      run = this.#isReserved(index) ? 0 : run + 1;
      if (run > longest) longest = run;
    }
    return longest;
  }

  #search(from: number, to: number, count: number): number {
    let run = 0;
    for (let index = from; index < to; index++) {
      if (index % WORD_BITS === 0 && this.#word(index) === FULL_WORD) {
        run = 0;
        index += WORD_BITS - 1;
      } else if (this.#isReserved(index)) run = 0;
      else if (++run === count) return index - count + 1;
    }
    return -1;
  }

  #mark(first: number, count: number, reserved: boolean): void {
    for (let index = first; index < first + count; index++) {
      const at = this.#bitmap + (index >>> 3);
      const bit = 1 << (index & 7);
      const byte = this.#physical.readU8(at);
      this.#physical.writeU8(at, reserved ? byte | bit : byte & ~bit);
    }
  }

  #isReserved(index: number): boolean {
    return ((this.#word(index) >>> (index % WORD_BITS)) & 1) === 1;
  }

  #word(index: number): number {
    return this.#physical.readU32(this.#bitmap + 4 * (index >>> 5));
  }

  #get(field: keyof typeof systemPteBitmap.fields): bigint {
    return this.#memory.processor.readU64(this.#variable + BigInt(systemPteBitmap.fields[field].offset));
  }

  #set(field: keyof typeof systemPteBitmap.fields, value: bigint): void {
    this.#memory.processor.writeU64(this.#variable + BigInt(systemPteBitmap.fields[field].offset), value);
  }
}
