import { PAGE_SIZE } from "../../binary/index.ts";
import { BlockCache } from "../block-cache.ts";
import type { DumpFile } from "../file.ts";
import { pageDescriptor } from "./layouts.ts";
import { PageBitmap } from "./page-bitmap.ts";

/** Pages that do not shrink are stored raw, so what is longer than this is no page. */
export const LARGEST_STORED_PAGE = 2 * PAGE_SIZE;

const DESCRIPTORS_A_BLOCK = 170;
const CACHE_SETS = 16;
const DESCRIPTORS_A_READ = 32_768;

/** One descriptor; the same object is filled again by the next call. */
export interface PagePlace {
  offset: number;
  size: number;
  flags: number;
}

/** The table of page descriptors, one a set bit of the second bitmap, read where asked. */
export class PageDescriptors {
  readonly #file: DumpFile;
  readonly #table: number;
  /** Descriptors that lie inside the file, of those promised. */
  readonly count: number;
  readonly #cache = new BlockCache(DESCRIPTORS_A_BLOCK * pageDescriptor.size, CACHE_SETS);
  readonly #place: PagePlace = { offset: 0, size: 0, flags: 0 };

  constructor(file: DumpFile, table: number, promised: number) {
    this.#file = file;
    this.#table = table;
    this.count = Math.max(0, Math.min(promised, Math.floor((file.bytes - table) / pageDescriptor.size)));
  }

  at(index: number): Readonly<PagePlace> {
    const block = this.#cache.get(Math.floor(index / DESCRIPTORS_A_BLOCK), this.#fill);
    return this.#decode(block, (index % DESCRIPTORS_A_BLOCK) * pageDescriptor.size);
  }

  /** Whether the file holds the bytes a descriptor names. A hole in a cut flattened file reads as size 0. */
  holds({ offset, size }: Readonly<PagePlace>): boolean {
    return size > 0 && offset > 0 && offset + size <= this.#file.bytes;
  }

  /**
   * Whether the bytes of some page lie past the end of the file. Writers store pages in ascending order, so the table
   * is looked at from its end, and no further than to a page whose bytes end where the file does.
   * @param end where page data ends in a whole file
   */
  reachPast(end: number): boolean {
    for (let to = this.count; to > 0; to -= DESCRIPTORS_A_READ) {
      let farthest = 0;
      for (const place of this.#range(Math.max(0, to - DESCRIPTORS_A_READ), to)) {
        if (!this.holds(place)) return true;
        farthest = Math.max(farthest, place.offset + place.size);
      }
      if (farthest + LARGEST_STORED_PAGE >= end) return false;
    }
    return false;
  }

  /** The pages of `stored` whose descriptor and bytes are in the file; reads the whole table once. */
  readable(stored: PageBitmap): PageBitmap {
    const bits = new Uint8Array(Math.ceil(stored.pages / 8));
    const places = this.#range(0, this.count);
    for (const page of stored.set()) {
      const next = places.next();
      if (next.done) break;
      if (this.holds(next.value)) bits[page >>> 3]! |= 1 << (page & 7);
    }
    return new PageBitmap(bits, stored.pages);
  }

  *#range(from: number, to: number): Generator<Readonly<PagePlace>, void> {
    for (let done = from; done < to; done += DESCRIPTORS_A_READ) {
      const some = Math.min(DESCRIPTORS_A_READ, to - done);
      const data = this.#file.read(this.#table + done * pageDescriptor.size, some * pageDescriptor.size);
      for (let at = 0; at < data.length; at += pageDescriptor.size) yield this.#decode(data, at);
    }
  }

  readonly #fill = (target: Uint8Array, block: number) => {
    const offset = this.#table + block * target.length;
    const data = this.#file.read(offset, Math.min(target.length, this.#file.bytes - offset));
    target.set(data);
    target.fill(0, data.length);
  };

  #decode(data: Uint8Array, at: number): Readonly<PagePlace> {
    const { offset, size, flags } = pageDescriptor.fields;
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.#place.offset = offset.get(view, at + offset.offset);
    this.#place.size = size.get(view, at + size.offset);
    this.#place.flags = flags.get(view, at + flags.offset);
    return this.#place;
  }
}
