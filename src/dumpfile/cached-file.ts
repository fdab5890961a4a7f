import { PAGE_SIZE } from "../binary/index.ts";
import { BlockCache } from "./block-cache.ts";
import type { DumpFile } from "./file.ts";

const CACHE_SETS = 256;

/** A dump file whose small reads (page-table entries, list links) are answered from 4 MiB of recently used blocks. */
export function cachedFile(file: DumpFile): DumpFile {
  const cache = new BlockCache(PAGE_SIZE, CACHE_SETS);
  const fill = (target: Uint8Array, block: number) => {
    const offset = block * PAGE_SIZE;
    target.set(file.read(offset, Math.min(PAGE_SIZE, file.bytes - offset)));
  };
  return {
    path: file.path,
    bytes: file.bytes,
    read(offset, length) {
      if (length > PAGE_SIZE || offset < 0 || offset + length > file.bytes) return file.read(offset, length);
      const result = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const block = Math.floor((offset + done) / PAGE_SIZE);
        const from = offset + done - block * PAGE_SIZE;
        const part = Math.min(length - done, PAGE_SIZE - from);
        result.set(cache.get(block, fill).subarray(from, from + part), done);
        done += part;
      }
      return result;
    },
    close: () => file.close(),
  };
}
