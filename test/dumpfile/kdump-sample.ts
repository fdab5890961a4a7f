import { deflateSync, zstdCompressSync } from "node:zlib";
import { snappyCompress } from "hysnappy";

/** How the pages of a sample are stored in turn; `shared`: at the place of the page before. */
export type Storage = "raw" | "zlib" | "snappy" | "zstd" | "shared";

export interface KdumpSample {
  readonly pages: ReadonlyMap<number, Uint8Array>;
  readonly storage: readonly Storage[];
  /** One past the last page frame. */
  readonly maxPage: number;
  readonly status?: number;
  readonly split?: number;
  readonly blockSize?: number;
  readonly version?: number;
  readonly machine?: string;
  readonly vmcoreinfo?: string;
}

const FLAGS = { raw: 0, zlib: 1, snappy: 4, zstd: 0x20 };
const PACK = { raw: (page: Uint8Array) => page, zlib: deflateSync, snappy: snappyCompress, zstd: zstdCompressSync };
const BLOCK = 4096;

/** A kdump file, written straight from linux-vmcore.md section 1 and checked against libkdumpfile. */
export function kdumpSample(sample: KdumpSample): Buffer {
  const { pages, storage, maxPage, version = 6 } = sample;
  const vmcoreinfo = Buffer.from(sample.vmcoreinfo ?? "OSRELEASE=6.1.0-sample\nPAGESIZE=4096\n");
  const half = Math.ceil(maxPage / 8 / BLOCK) * BLOCK;
  const descriptors = 3 * BLOCK + 2 * half;
  const frames = [...pages.keys()].sort((a, b) => a - b);
  const head = Buffer.alloc(descriptors + frames.length * 24);
  head.write("KDUMP   ", 0);
  head.writeInt32LE(version, 8);
  for (const [at, text] of [
    [12, "Linux"],
    [77, "sample"],
    [142, "6.1.0-sample"],
    [207, "#1"],
    [272, sample.machine ?? "x86_64"],
  ] as const)
    head.write(text, at);
  head.writeBigUInt64LE(1_700_000_000n, 408);
  head.writeUInt32LE(sample.status ?? 1, 424);
  head.writeInt32LE(sample.blockSize ?? BLOCK, 428);
  head.writeInt32LE(2, 432);
  head.writeUInt32LE((2 * half) / BLOCK, 436);
  head.writeUInt32LE(maxPage >>> 0, 440);
  head.writeInt32LE(1, 460);
  head.writeInt32LE(31, BLOCK + 8);
  head.writeInt32LE(sample.split ?? 0, BLOCK + 12);
  head.writeBigUInt64LE(BigInt(2 * BLOCK), BLOCK + 32);
  head.writeBigUInt64LE(BigInt(vmcoreinfo.length), BLOCK + 40);
  head.writeBigUInt64LE(BigInt(maxPage), BLOCK + 96);
  vmcoreinfo.copy(head, 2 * BLOCK);

  const data: Uint8Array[] = [];
  let end = head.length;
  let last = { offset: 0, size: 0, flags: 0 };
  for (const [index, pfn] of frames.entries()) {
    for (const bitmap of [3 * BLOCK, 3 * BLOCK + half]) head[bitmap + (pfn >>> 3)]! |= 1 << (pfn & 7);
    const how = storage[index % storage.length]!;
    if (how !== "shared") {
      const packed = PACK[how](pages.get(pfn)!);
      data.push(packed);
      last = { offset: end, size: packed.length, flags: FLAGS[how] };
      end += packed.length;
    }
    head.writeBigInt64LE(BigInt(last.offset), descriptors + index * 24);
    head.writeUInt32LE(last.size, descriptors + index * 24 + 8);
    head.writeUInt32LE(last.flags, descriptors + index * 24 + 12);
  }
  return Buffer.concat([head, ...data]);
}

/** Records of a flattened file: where each goes and what it brings. */
export function flattenedSample(records: readonly { offset: number; bytes: Uint8Array }[]): Buffer {
  const header = Buffer.alloc(4096);
  header.write("makedumpfile");
  header.writeBigInt64BE(1n, 16);
  header.writeBigInt64BE(1n, 24);
  const recordHeader = (offset: number, size: number) => {
    const data = Buffer.alloc(16);
    data.writeBigInt64BE(BigInt(offset), 0);
    data.writeBigInt64BE(BigInt(size), 8);
    return data;
  };
  const body = records.flatMap(({ offset, bytes }) => [recordHeader(offset, bytes.length), bytes]);
  return Buffer.concat([header, ...body, recordHeader(-1, -1)]);
}
