import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PageRun } from "../../src/binary/index.ts";
import type { DumpFile } from "../../src/dumpfile/file.ts";
import type { DumpImage, PageSource } from "../../src/dumpfile/image.ts";

/** A number generator that is the same on every machine: splitmix32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
}

/** The bytes of one page of synthetic memory: random, and different for every page and seed. */
export function pageBytes(seed: number, pfn: number): Uint8Array {
  const next = seeded(seed ^ Math.imul(pfn, 0x01000193));
  return new Uint8Array(Uint32Array.from({ length: 1024 }, next).buffer);
}

/** Synthetic memory as a writer takes it; pages are made when they are asked for. */
export function samplePages(seed: number, runs: readonly PageRun[]): PageSource {
  return {
    runs,
    read(firstPage, pageCount) {
      const bytes = new Uint8Array(pageCount * 4096);
      for (let page = 0; page < pageCount; page++) bytes.set(pageBytes(seed, firstPage + page), page * 4096);
      return bytes;
    },
  };
}

/** Random runs with holes between them, of about `pages` pages. */
export function sampleRuns(seed: number, count: number, longest: number): PageRun[] {
  const next = seeded(seed);
  const runs: PageRun[] = [];
  let page = next() % 40;
  for (let run = 0; run < count; run++) {
    const pageCount = 1 + (next() % longest);
    runs.push({ firstPage: page, pageCount });
    page += pageCount + 1 + (next() % (run % 5 === 0 ? 3000 : 20));
  }
  return runs;
}

/**
 * A header as a guest keeps it ready: "PAGE" everywhere, then the fields a bug check fills. Written by plain offsets, not by
 * the tables under test (windows-dump.md section 1).
 */
export function sampleHeader(): Uint8Array {
  const header = Buffer.alloc(0x2000, "PAGE");
  header.write("DU64", 4, "latin1");
  header.writeUInt32LE(0xf, 0x08);
  header.writeUInt32LE(19041, 0x0c);
  header.writeBigUInt64LE(0x1ad000n, 0x10);
  header.writeBigUInt64LE(0xfffff8047c6fdba0n, 0x20);
  header.writeBigUInt64LE(0xfffff8047c61e200n, 0x28);
  header.writeUInt32LE(0x8664, 0x30);
  header.writeUInt32LE(2, 0x34);
  header.writeUInt32LE(0xd8, 0x38);
  for (const [index, value] of [0xaan, 2n, 4n, 0xffff_ffff_ffff_fff0n].entries())
    header.writeBigUInt64LE(value, 0x40 + index * 8);
  header.fill(0, 0x348, 0x348 + 0x4d0);
  header.writeUInt32LE(0x10001f, 0x348 + 0x30);
  header.writeUInt32LE(0x1f80, 0x348 + 0x34);
  header.writeUInt32LE(0x1f80, 0x348 + 0x118);
  header.writeBigUInt64LE(0xfffff8047bdf5a80n, 0x348 + 0xf8);
  header.writeBigUInt64LE(0xffff850429890ee8n, 0x348 + 0x98);
  header.writeBigUInt64LE(132583451029877657n, 0xfa8);
  return new Uint8Array(header);
}

/** The whole image in memory. */
export function imageBytes(image: DumpImage): Uint8Array {
  const bytes = new Uint8Array(image.bytes);
  let at = 0;
  for (const chunk of image.chunks()) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  if (at !== image.bytes) throw new Error(`${at} bytes came, ${image.bytes} were promised`);
  return bytes;
}

/** Bytes as an open dump file, with what was read of it. */
export function bytesFile(bytes: Uint8Array): DumpFile & { readonly bytesRead: () => number } {
  let bytesRead = 0;
  return {
    path: "sample.dmp",
    bytes: bytes.length,
    read(offset, length) {
      if (offset < 0 || offset + length > bytes.length) throw new Error(`read of ${length} at ${offset} is outside`);
      bytesRead += length;
      return bytes.slice(offset, offset + length);
    },
    close: () => {},
    bytesRead: () => bytesRead,
  };
}

/** Runs `use` with a file of these bytes that is gone afterwards. */
export function withFile<T>(bytes: Uint8Array, use: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "stopcode-windows-"));
  try {
    const path = join(folder, "memory.dmp");
    writeFileSync(path, bytes);
    return use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
