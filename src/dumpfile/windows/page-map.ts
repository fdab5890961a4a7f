import { PAGE_SIZE, type PageRun, type PhysicalMemory } from "../../binary/index.ts";
import { absentMemory } from "../absent-memory.ts";
import type { DumpFile } from "../file.ts";

/** Where in the file each page lies. */
export interface PageMap {
  /** Pages the dump says it holds. */
  readonly pages: number;
  /** Pages of these that the file reaches. */
  readonly readable: number;
  /** File offset of a page, or -1 when the dump does not hold it. */
  offsetOf(pfn: number): number;
  runs(): readonly PageRun[];
}

/** A map of a dump whose page map cannot be trusted: nothing can be read. */
export const emptyPageMap = (pages: number): PageMap => ({ pages, readable: 0, offsetOf: () => -1, runs: () => [] });

/** Whole pages between `offset` and the end of the file. */
export const pagesBehind = (file: DumpFile, offset: number) =>
  Math.max(0, Math.floor((file.bytes - offset) / PAGE_SIZE));

const ABSENT_HINT =
  "the writer of the dump left this page out, or the file was cut off before it: see the dump's problems";

/** Physical memory whose pages lie in a dump file. */
export function mappedMemory(file: DumpFile, map: PageMap): PhysicalMemory {
  const read = (address: number, length: number): Uint8Array => {
    if (length === 0) return new Uint8Array(0);
    const first = Math.floor(address / PAGE_SIZE);
    const inPage = address - first * PAGE_SIZE;
    const pages = Math.ceil((inPage + length) / PAGE_SIZE);
    const start = map.offsetOf(first);
    if (start < 0) throw absentMemory(file.path, address, length, ABSENT_HINT);
    // Pages that follow each other in memory mostly do so in the file as well: then one read does.
    let together = 1;
    while (together < pages && map.offsetOf(first + together) === start + together * PAGE_SIZE) together++;
    if (together >= pages) return file.read(start + inPage, length);
    // All must be there before anything is allocated: a length may come from a damaged dump.
    for (let page = together; page < pages; page++)
      if (map.offsetOf(first + page) < 0) throw absentMemory(file.path, address, length, ABSENT_HINT);
    const bytes = new Uint8Array(length);
    for (let page = 0; page < pages; page++) {
      const from = Math.max(address, (first + page) * PAGE_SIZE);
      const to = Math.min(address + length, (first + page + 1) * PAGE_SIZE);
      bytes.set(file.read(map.offsetOf(first + page) + (from % PAGE_SIZE), to - from), from - address);
    }
    return bytes;
  };
  return { read, runs: map.runs, pageState: (pfn) => (map.offsetOf(pfn) >= 0 ? "present" : "absent") };
}
