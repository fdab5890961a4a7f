import { PAGE_SIZE, type PageRun, type PageState, type PhysicalMemory } from "../../binary/index.ts";
import { absentMemory } from "../absent-memory.ts";
import { cachedFile } from "../cached-file.ts";
import { ExtentTable } from "../extents.ts";
import type { DumpFile } from "../file.ts";

/**
 * Physical memory as the PT_LOADs of a vmcore hold it.
 *
 * Memory past a segment's p_filesz is absent, not zero: makedumpfile and QEMU write p_filesz < p_memsz for pages that
 * they left out, whatever was in them. A page of which only a part is in the file counts as absent, but that part can
 * be read.
 */
export class ElfMemory implements PhysicalMemory {
  readonly kind = "physical";
  readonly #file: DumpFile;
  readonly #extents: ExtentTable;
  /** The same addresses with pieces joined that lie apart in the file. */
  readonly #ranges: ExtentTable;
  #runs: readonly PageRun[] | undefined;

  /** @param segments address ranges with their file offsets, all inside the file */
  constructor(file: DumpFile, segments: ExtentTable) {
    this.#file = cachedFile(file);
    this.#extents = segments.sorted();
    this.#ranges = new ExtentTable();
    for (let index = 0; index < this.#extents.count; index++) {
      const start = this.#extents.start(index);
      this.#ranges.add(start, this.#extents.end(index), start);
    }
  }

  read(address: number, length: number): Uint8Array {
    const last = address + length;
    const range = this.#ranges.find(address);
    if (range < 0 || !(last <= this.#ranges.end(range)) || !Number.isInteger(last) || length < 0)
      throw absentMemory(this.#file.path, address, length, "the dump was filtered or cut off, or it is no RAM there");
    const first = this.#extents.find(address);
    const piece = (index: number) => {
      const from = Math.max(address, this.#extents.start(index));
      const to = Math.min(last, this.#extents.end(index));
      return this.#file.read(this.#extents.offset(index) + (from - this.#extents.start(index)), to - from);
    };
    if (last <= this.#extents.end(first)) return piece(first);
    const result = new Uint8Array(length);
    for (let index = first; index < this.#extents.count && this.#extents.start(index) < last; index++)
      result.set(piece(index), Math.max(0, this.#extents.start(index) - address));
    return result;
  }

  runs(): readonly PageRun[] {
    this.#runs ??= [...this.#wholePages()];
    return this.#runs;
  }

  *#wholePages(): Generator<PageRun> {
    for (let index = 0; index < this.#ranges.count; index++) {
      const firstPage = Math.ceil(this.#ranges.start(index) / PAGE_SIZE);
      const pageCount = Math.floor(this.#ranges.end(index) / PAGE_SIZE) - firstPage;
      if (pageCount > 0) yield { firstPage, pageCount };
    }
  }

  pageState(pfn: number): PageState {
    const range = this.#ranges.find(pfn * PAGE_SIZE);
    return range >= 0 && (pfn + 1) * PAGE_SIZE <= this.#ranges.end(range) ? "present" : "absent";
  }
}
