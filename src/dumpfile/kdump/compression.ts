import { inflateSync, zstdDecompressSync } from "node:zlib";
import { snappyUncompressor } from "hysnappy";
import { PAGE_SIZE, StopcodeError } from "../../binary/index.ts";
import type { KdumpHeader } from "../dump.ts";
import { PAGE_LZO, PAGE_SNAPPY, PAGE_ZLIB, PAGE_ZSTD } from "./layouts.ts";
import { unpackLzo } from "./lzo.ts";

/**
 * A little more than a page, so that one round of zlib finishes it: 238 MB/s instead of 112 with Node's default of 16
 * KiB.
 */
const CHUNK = { chunkSize: PAGE_SIZE + 128, maxOutputLength: PAGE_SIZE };

/** Created at the first snappy page: it compiles a WebAssembly module. */
let snappy: ReturnType<typeof snappyUncompressor> | undefined;

/** The only length a page's snappy block may announce, as its varint: 0x1000. hysnappy trusts the announced length. */
const SNAPPY_PAGE = [0x80, 0x20] as const;

const STATUS_NAMES = [
  [PAGE_ZLIB, "zlib"],
  [PAGE_LZO, "lzo"],
  [PAGE_SNAPPY, "snappy"],
  [PAGE_ZSTD, "zstd"],
] as const;

/** What a compressor is called in `KdumpHeader.compression`. */
export function compressionName(status: number): KdumpHeader["compression"] {
  const names = STATUS_NAMES.filter(([flag]) => (status & flag) !== 0);
  return names.length > 1 ? "mixed" : (names[0]?.[1] ?? "none");
}

/**
 * The 4 KiB of a page from its bytes in the file.
 * @throws StopcodeError `dump/page-compression` for a compressor that is not known,
 *   and whatever zlib, zstd, snappy or LZO throw about damaged bytes
 */
export function decompressPage(stored: Uint8Array, flags: number): Uint8Array {
  switch (flags) {
    case 0:
      return stored;
    case PAGE_ZLIB:
      return inflateSync(stored, CHUNK);
    case PAGE_ZSTD:
      return zstdDecompressSync(stored, CHUNK);
    case PAGE_SNAPPY:
      if (stored[0] !== SNAPPY_PAGE[0] || stored[1] !== SNAPPY_PAGE[1])
        throw new Error("it does not unpack to 4,096 bytes");
      snappy ??= snappyUncompressor();
      return snappy(stored, PAGE_SIZE);
    case PAGE_LZO:
      return unpackLzo(stored, PAGE_SIZE);
    default:
      throw new StopcodeError(
        "dump/page-compression",
        `the page's flags 0x${flags.toString(16)} name no known compression`,
        {
          hint: "the page descriptors are damaged, or a newer makedumpfile wrote them: convert with `makedumpfile -c`",
        },
      );
  }
}
