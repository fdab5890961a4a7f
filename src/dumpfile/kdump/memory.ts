import {
  hex,
  PAGE_SIZE,
  type PageRun,
  type PageState,
  type PhysicalMemory,
  StopcodeError,
} from "../../binary/index.ts";
import { absentMemory } from "../absent-memory.ts";
import { BlockCache } from "../block-cache.ts";
import type { DumpFile } from "../file.ts";
import { decompressPage } from "./compression.ts";
import type { PageBitmap } from "./page-bitmap.ts";
import { LARGEST_STORED_PAGE, type PageDescriptors } from "./page-descriptors.ts";

/** 16 MiB of unpacked pages: what the analysis of a kernel walks over again and again. */
const CACHE_SETS = 1023;

/**
 * Physical memory of a kdump file. Pages are unpacked when they are read; the last ones used are kept.
 *
 * A page that is RAM but not in the file is `absent`, never `zero`: with bit 0 of the dump level makedumpfile leaves
 * out pages of zeros, but nothing in the file tells them from pages left out for another reason.
 */
export class KdumpMemory implements PhysicalMemory {
  readonly kind = "physical";
  readonly #file: DumpFile;
  readonly #stored: PageBitmap;
  readonly #readable: PageBitmap;
  readonly #descriptors: PageDescriptors;
  readonly #cache = new BlockCache(PAGE_SIZE, CACHE_SETS);
  #runs: readonly PageRun[] | undefined;

  /**
   * @param stored the file's second bitmap, by which descriptors are counted
   * @param readable the pages among them whose bytes the file still holds
   */
  constructor(file: DumpFile, stored: PageBitmap, readable: PageBitmap, descriptors: PageDescriptors) {
    this.#file = file;
    this.#stored = stored;
    this.#readable = readable;
    this.#descriptors = descriptors;
  }

  /**
   * @throws also StopcodeError `dump/page-unreadable` or `dump/page-compression` where the page's bytes cannot be
   *   unpacked
   */
  read(address: number, length: number): Uint8Array {
    const first = Math.floor(address / PAGE_SIZE);
    const last = Math.floor((address + Math.max(length, 1) - 1) / PAGE_SIZE);
    for (let page = first; page <= last; page++) if (!this.#readable.has(page)) throw this.#absent(address, length);
    if (!(first <= last) || length < 0) throw this.#absent(address, length);
    const result = new Uint8Array(length);
    for (let page = first; page <= last; page++) {
      const start = page * PAGE_SIZE;
      const from = Math.max(address, start);
      const to = Math.min(address + length, start + PAGE_SIZE);
      result.set(this.#page(page).subarray(from - start, to - start), from - address);
    }
    return result;
  }

  runs(): readonly PageRun[] {
    this.#runs ??= this.#readable.runs();
    return this.#runs;
  }

  pageState(pfn: number): PageState {
    return this.#readable.has(pfn) ? "present" : "absent";
  }

  #absent(address: number, length: number): StopcodeError {
    return absentMemory(
      this.#file.path,
      address,
      length,
      "the dump was filtered (`makedumpfile -d`) or cut off, or it is no RAM there",
    );
  }

  #page(pfn: number): Uint8Array {
    const place = this.#descriptors.at(this.#stored.rank(pfn));
    // Equal pages share their bytes in the file, so they also share their place in the cache.
    return this.#cache.get(place.offset, (target) => {
      const { offset, size, flags } = place;
      try {
        if (size > LARGEST_STORED_PAGE) throw new Error(`its descriptor claims ${size} bytes for it`);
        const page = decompressPage(this.#file.read(offset, size), flags);
        if (page.length !== PAGE_SIZE) throw new Error(`it unpacks to ${page.length} bytes`);
        target.set(page);
      } catch (cause) {
        const known = cause instanceof StopcodeError;
        throw new StopcodeError(
          known ? cause.code : "dump/page-unreadable",
          `page ${hex(pfn)}: ${(cause as Error).message}`,
          {
            where: { file: this.#file.path, offset, address: hex(pfn * PAGE_SIZE) },
            hint: (known ? cause.hint : undefined) ?? "the page is damaged; others may be readable",
            cause,
          },
        );
      }
    });
  }
}
