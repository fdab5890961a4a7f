import { PAGE_SIZE, type PhysicalMemory, StopcodeError } from "../../binary/index.ts";
import type { TableReader } from "../../paging/index.ts";

const WORDS_OF_PAGE = PAGE_SIZE / 4;
const NO_WORDS = new Int32Array(0);

/** A guest's physical memory, word by word, as its tables are read: through the partition's map, out of the machine's memory. */
export class GuestWords implements TableReader {
  /** Reads since this was last set to 0 that met a host frame which cannot be read. */
  absent = 0;
  readonly #map: Int32Array;
  readonly #memory: PhysicalMemory;
  readonly #pages = new Map<number, Int32Array>();

  constructor(map: Int32Array, memory: PhysicalMemory) {
    this.#map = map;
    this.#memory = memory;
  }

  /** The 1024 words of a guest frame; null where the guest has none there or it cannot be read. */
  page(guestFrame: number): Int32Array | null {
    const mapped = this.#map[guestFrame] ?? 0;
    if (mapped === 0) return null;
    const words = this.#pageOfHost(mapped >>> 12);
    return words.length === 0 ? null : words;
  }

  /** 0, an entry that is not present, where there is nothing to read. */
  readWord(gpa: number): number {
    const words = this.page(Math.floor(gpa / PAGE_SIZE));
    if (words !== null) return words[(gpa % PAGE_SIZE) >>> 2]!;
    if ((this.#map[Math.floor(gpa / PAGE_SIZE)] ?? 0) !== 0) this.absent++;
    return 0;
  }

  #pageOfHost(hostFrame: number): Int32Array {
    let words = this.#pages.get(hostFrame);
    if (words === undefined) {
      words = this.#read(hostFrame);
      this.#pages.set(hostFrame, words);
    }
    return words;
  }

  #read(hostFrame: number): Int32Array {
    try {
      const bytes = this.#memory.read(hostFrame * PAGE_SIZE, PAGE_SIZE);
      const words = new Int32Array(WORDS_OF_PAGE);
      new Uint8Array(words.buffer).set(bytes);
      return words;
    } catch (error) {
      // A dump leaves out what is private and partitions that are not stored.
      if (error instanceof StopcodeError) return NO_WORDS;
      throw error;
    }
  }
}
