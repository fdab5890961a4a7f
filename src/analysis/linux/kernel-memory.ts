import { PAGE_SIZE, type PhysicalMemory, StopcodeError } from "../../binary/index.ts";
import { VirtualMemory } from "../../paging/index.ts";

/** Where the kernel image is mapped on x86-64, whatever KASLR does inside it (__START_KERNEL_map). */
const KERNEL_MAP = 0xffff_ffff_8000_0000n;
/** Pages kept: enough for the lists a reader walks; tables are read in one go and never enter. */
const CACHED_PAGES = 2048;

/** What it takes to read a kernel's virtual memory: linux-vmcore.md section 3. */
export interface KernelMap {
  /** NUMBER(phys_base): what to add to an image address less 0xffffffff80000000; negative when only the virtual address moved. */
  readonly physicalBase: bigint;
  /** NUMBER(KERNEL_IMAGE_SIZE): bytes of address space set aside for the image; the modules' area follows. */
  readonly imageSize: bigint;
  /** SYMBOL(swapper_pg_dir), a virtual address; null leaves only the image readable. */
  readonly pageTable: bigint | null;
  readonly levels: 4 | 5;
}

/**
 * A kernel's virtual memory. Nothing here throws for what the dump lacks: a missing or unmapped byte makes the answer null,
 * for dumps leave pages out as a matter of course.
 */
export class KernelMemory {
  readonly #physical: PhysicalMemory;
  readonly #map: KernelMap;
  readonly #walked: VirtualMemory | null;
  readonly #pages = new Map<number, Uint8Array | null>();

  constructor(physical: PhysicalMemory, map: KernelMap) {
    this.#physical = physical;
    this.#map = map;
    const root = map.pageTable === null ? null : this.#imageToPhysical(map.pageTable);
    this.#walked = root === null ? null : new VirtualMemory(physical, { root, levels: map.levels });
  }

  /** The physical address behind a kernel virtual one, or null when nothing is mapped there. */
  translate(address: bigint): number | null {
    return this.#imageToPhysical(address) ?? this.#walked?.translate(address)?.physical ?? null;
  }

  /** Exactly `length` bytes, or null when any of them is missing. The bytes are not to be written to. */
  read(address: bigint, length: number): Uint8Array | null {
    const offset = Number(address & 0xfffn);
    if (offset + length <= PAGE_SIZE) return this.#page(address)?.subarray(offset, offset + length) ?? null;
    const bytes = this.readUpTo(address, length);
    return bytes.length === length ? bytes : null;
  }

  /** As many of `length` bytes as there are before the first that is missing. */
  readUpTo(address: bigint, length: number): Uint8Array {
    const target = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const at = BigInt.asUintN(64, address + BigInt(done));
      const page = this.#fetch(at);
      if (page === null) break;
      const offset = Number(at & 0xfffn);
      const part = page.subarray(offset, Math.min(PAGE_SIZE, offset + length - done));
      target.set(part, done);
      done += part.length;
    }
    return done === length ? target : target.slice(0, done);
  }

  u8(address: bigint): number | null {
    return this.read(address, 1)?.[0] ?? null;
  }

  u32(address: bigint): number | null {
    const bytes = this.read(address, 4);
    return bytes && view(bytes).getUint32(0, true);
  }

  i32(address: bigint): number | null {
    const bytes = this.read(address, 4);
    return bytes && view(bytes).getInt32(0, true);
  }

  u64(address: bigint): bigint | null {
    const bytes = this.read(address, 8);
    return bytes && view(bytes).getBigUint64(0, true);
  }

  /** Text up to its NUL, or to `limit` bytes; null when it runs into a page that is missing. */
  text(address: bigint, limit: number): string | null {
    const offset = Number(address & 0xfffn);
    const first = this.#page(address)?.subarray(offset, offset + limit);
    if (!first) return null;
    const bytes = first.includes(0) || first.length === limit ? first : this.readUpTo(address, limit);
    const end = bytes.indexOf(0);
    if (end < 0 && bytes.length < limit) return null;
    return Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? limit : end).toString("utf8");
  }

  #imageToPhysical(address: bigint): number | null {
    const offset = address - KERNEL_MAP;
    if (offset < 0n || offset >= this.#map.imageSize) return null;
    const physical = BigInt.asIntN(64, offset + this.#map.physicalBase);
    return physical < 0n || physical >= 1n << 52n ? null : Number(physical);
  }

  #page(address: bigint): Uint8Array | null {
    const key = Number(address >> 12n);
    const known = this.#pages.get(key);
    if (known !== undefined) return known;
    const page = this.#fetch(address);
    if (this.#pages.size >= CACHED_PAGES) this.#pages.clear();
    this.#pages.set(key, page);
    return page;
  }

  #fetch(address: bigint): Uint8Array | null {
    try {
      const physical = this.translate(address);
      if (physical === null) return null;
      return this.#physical.read(physical - (physical % PAGE_SIZE), PAGE_SIZE);
    } catch (error) {
      if (error instanceof StopcodeError) return null; // absent, sealed or damaged: the dump cannot answer
      throw error;
    }
  }
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
