import { hex, joinAddress, PAGE_SIZE, type PhysicalMemory, StopcodeError } from "../binary/index.ts";
import { FAULT_GENERAL_PROTECTION } from "./access.ts";
import { CR4_LA57, EFER_NXE, type PagingState } from "./control.ts";
import { PageCache } from "./page-cache.ts";
import { PageWalker } from "./walker.ts";

/** Nothing a debugger reads at one go is larger; a length beyond comes from damaged or hostile memory. */
const MAX_READ = 64 * 2 ** 20;
const TRANSLATIONS = 4096;
const PAGE_MASK = PAGE_SIZE - 1;

export interface Translation {
  /** Byte address in physical memory. */
  readonly physical: number;
  /** Bytes of the page that maps it: 4 KiB, 2 MiB or 1 GiB. */
  readonly pageBytes: number;
  readonly writable: boolean;
  readonly user: boolean;
  readonly executable: boolean;
}

/**
 * Virtual memory as a debugger sees it: through one set of page tables, over the physical memory of a dump or of an
 * emulated machine that stands still. Reads as a supervisor whom no protection stops, and changes nothing.
 *
 * Pages and translations are cached: make a new one after the memory has changed.
 */
export class VirtualMemory {
  readonly #pages: PageCache;
  readonly #walker: PageWalker;
  readonly #state: PagingState;
  readonly #tagHigh = new Int32Array(TRANSLATIONS);
  readonly #tagLow = new Int32Array(TRANSLATIONS).fill(-1);
  readonly #frame = new Float64Array(TRANSLATIONS);

  /** @param options.root physical address of the topmost page table (CR3; its low 12 bits are ignored) */
  constructor(memory: PhysicalMemory, options: { readonly root: number; readonly levels: 4 | 5 }) {
    this.#pages = new PageCache(memory);
    // A dump does not say how many address bits its processor had: at 52, none is reserved.
    this.#walker = new PageWalker(this.#pages, { maxPhysicalAddressBits: 52, setFlags: false });
    this.#state = { cr0: 0, cr3: options.root, cr4: options.levels === 5 ? CR4_LA57 : 0, efer: EFER_NXE, pkru: 0 };
  }

  /**
   * A copy of `length` bytes.
   * @throws StopcodeError `memory/not-mapped` where the page tables have no page, `memory/absent` where they have one that
   * the memory lacks (or they themselves are missing), `memory/too-long` beyond 64 MiB
   */
  read(address: bigint, length: number): Uint8Array {
    if (!isReadable(length))
      throw new StopcodeError("memory/too-long", `${length} bytes cannot be read at once, at most ${MAX_READ} can`, {
        where: { address: hex(address) },
      });
    const bytes = new Uint8Array(length);
    const done = this.#copy(address, bytes);
    if (done < length) throw this.#failure(address + BigInt(done));
    return bytes;
  }

  /** Like `read`, but null where that would throw. */
  tryRead(address: bigint, length: number): Uint8Array | null {
    if (!isReadable(length)) return null;
    const bytes = new Uint8Array(length);
    return this.#copy(address, bytes) === length ? bytes : null;
  }

  /** Where an address lies in physical memory; null when it is not mapped or its page tables are missing. */
  translate(address: bigint): Translation | null {
    const { high, low } = halves(address);
    if (!this.#walk(high, low)) return null;
    const { physicalAddress: physical, pageShift, writable, user, executable } = this.#walker;
    return { physical, pageBytes: 2 ** pageShift, writable, user, executable };
  }

  /** Fills `bytes` from `address` on, page by page. @returns how many bytes could be read before the first that could not */
  #copy(address: bigint, bytes: Uint8Array): number {
    let { high, low } = halves(address);
    let done = 0;
    while (done < bytes.length) {
      const frame = this.#frameOf(high, low);
      const page = frame < 0 ? null : this.#pages.page(frame);
      if (page === null) return done;
      const offset = low & PAGE_MASK;
      const part = Math.min(PAGE_SIZE - offset, bytes.length - done);
      if (part < 16) for (let i = 0; i < part; i++) bytes[done + i] = page[offset + i]!;
      else bytes.set(page.subarray(offset, offset + part), done);
      done += part;
      low = (low + part) | 0;
      if (low === 0) high = (high + 1) | 0;
    }
    return done;
  }

  /** Page frame number, or -1. */
  #frameOf(high: number, low: number): number {
    const pageLow = low & ~PAGE_MASK;
    const slot = (low >>> 12) & (TRANSLATIONS - 1);
    if (this.#tagLow[slot] === pageLow && this.#tagHigh[slot] === high) return this.#frame[slot]!;
    if (!this.#walk(high, low)) return -1;
    this.#tagHigh[slot] = high;
    this.#tagLow[slot] = pageLow;
    const frame = Math.floor(this.#walker.physicalAddress / PAGE_SIZE);
    this.#frame[slot] = frame;
    return frame;
  }

  #walk(high: number, low: number): boolean {
    this.#pages.tableMissing = false;
    return this.#walker.walk(this.#state, high, low, 0);
  }

  #failure(address: bigint): StopcodeError {
    const { high, low } = halves(address);
    const at = hex(joinAddress(high, low));
    const where = { where: { address: at } };
    if (this.#walk(high, low)) {
      const physical = hex(this.#walker.physicalAddress);
      return new StopcodeError("memory/absent", `${at} maps to physical ${physical}, whose page is not there`, where);
    }
    if (this.#pages.tableMissing)
      return new StopcodeError("memory/absent", `a page table on the way to ${at} is not there`, where);
    const why = this.#walker.fault === FAULT_GENERAL_PROTECTION ? "is not a canonical address" : "is not mapped";
    return new StopcodeError("memory/not-mapped", `${at} ${why}`, where);
  }
}

function isReadable(length: number): boolean {
  return Number.isInteger(length) && length >= 0 && length <= MAX_READ;
}

function halves(address: bigint): { high: number; low: number } {
  return { high: Number(BigInt.asIntN(32, address >> 32n)), low: Number(BigInt.asIntN(32, address)) };
}
