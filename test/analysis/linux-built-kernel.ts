import { PAGE_SIZE, type PhysicalMemory, StopcodeError } from "../../src/binary/index.ts";

/** The kernel image starts here; with phys_base 0, image address + n is physical n. */
export const IMAGE = 0xffff_ffff_8000_0000n;

/** Physical memory of a few pages that a test writes a kernel's structures into, by their addresses in the kernel image. */
export class BuiltMemory implements PhysicalMemory {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #absent = new Set<number>();

  constructor(pages: number) {
    this.bytes = new Uint8Array(pages * PAGE_SIZE);
    this.#view = new DataView(this.bytes.buffer);
  }

  u16(address: bigint, value: number) {
    this.#view.setUint16(Number(address - IMAGE), value, true);
  }

  u32(address: bigint, value: number) {
    this.#view.setUint32(Number(address - IMAGE), value, true);
  }

  u64(address: bigint, value: bigint) {
    this.#view.setBigUint64(Number(address - IMAGE), value, true);
  }

  put(address: bigint, bytes: Uint8Array) {
    this.bytes.set(bytes, Number(address - IMAGE));
  }

  /** Takes the page of an address out of the dump. */
  drop(address: bigint) {
    this.#absent.add(Math.floor(Number(address - IMAGE) / PAGE_SIZE));
  }

  read(address: number, length: number): Uint8Array {
    const [first, last] = [Math.floor(address / PAGE_SIZE), Math.floor((address + length - 1) / PAGE_SIZE)];
    for (let page = first; page <= last; page++)
      if (this.pageState(page) === "absent") throw new StopcodeError("memory/absent", `page ${page} is not there`);
    return this.bytes.subarray(address, address + length);
  }

  runs() {
    const pages = Array.from({ length: this.bytes.length / PAGE_SIZE }, (_, page) => page);
    return pages.filter((page) => !this.#absent.has(page)).map((firstPage) => ({ firstPage, pageCount: 1 }));
  }

  pageState(page: number) {
    return page < 0 || page * PAGE_SIZE >= this.bytes.length || this.#absent.has(page) ? "absent" : "present";
  }
}

/** KernelMap of memory that is all kernel image. */
export const imageMap = { physicalBase: 0n, imageSize: 1n << 30n, pageTable: null, levels: 4 } as const;
