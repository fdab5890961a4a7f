import { PAGE_SIZE, type PhysicalMemory, StopcodeError } from "../binary/index.ts";
import type { TableReader } from "./tables.ts";

const SLOTS = 1024;
const EMPTY = -1;

interface Slot {
  page: number;
  bytes: Uint8Array | null;
  words: Int32Array | null;
}

/**
 * The pages read last, of any physical memory: up to 4 MiB of them, direct-mapped by frame number.
 * Makes the page tables of a dump readable word by word. Nothing is ever written.
 */
export class PageCache implements TableReader {
  /** Set when a table lay in a page that cannot be read; whoever starts a walk clears it. */
  tableMissing = false;

  readonly #memory: PhysicalMemory;
  readonly #slots: Slot[] = Array.from({ length: SLOTS }, () => ({ page: EMPTY, bytes: null, words: null }));

  constructor(memory: PhysicalMemory) {
    this.#memory = memory;
  }

  /** The 4096 bytes of a page frame, not to be changed; null when the memory does not have it. */
  page(page: number): Uint8Array | null {
    return this.#slot(page).bytes;
  }

  /** A word of a page table; 0, an entry that is not present, where the page is missing. */
  readWord(address: number): number {
    const slot = this.#slot(Math.floor(address / PAGE_SIZE));
    if (slot.words === null) {
      if (slot.bytes === null) {
        this.tableMissing = true;
        return 0;
      }
      slot.words = wordsOf(slot.bytes);
    }
    return slot.words[(address & (PAGE_SIZE - 1)) >>> 2]!;
  }

  #slot(page: number): Slot {
    const slot = this.#slots[page & (SLOTS - 1)]!;
    if (slot.page !== page) {
      slot.bytes = this.#load(page);
      slot.words = null;
      slot.page = page;
    }
    return slot;
  }

  #load(page: number): Uint8Array | null {
    const state = this.#memory.pageState(page);
    if (state !== "present" && state !== "zero") return null;
    try {
      return this.#memory.read(page * PAGE_SIZE, PAGE_SIZE);
    } catch (error) {
      // A page that its dump cannot deliver after all (damaged, cut off) is as good as absent.
      if (error instanceof StopcodeError) return null;
      throw error;
    }
  }
}

/** Words of a page; copied where its bytes do not lie on a word boundary. x86 and every host of Node are little-endian. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Int32Array(aligned.buffer, aligned.byteOffset, PAGE_SIZE / 4);
}
