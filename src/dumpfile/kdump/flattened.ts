import { StopcodeError } from "../../binary/index.ts";
import type { DumpProblem } from "../dump.ts";
import { ExtentTable } from "../extents.ts";
import type { DumpFile } from "../file.ts";
import { paintOver } from "./overlaps.ts";

/** makedumpfile_header, padded with zeros to this. */
const HEADER_BYTES = 4096;
/** makedumpfile_data_header: big-endian i64 offset, i64 size. */
const RECORD_HEADER_BYTES = 16;
/** Record headers are read a block at a time, so that many small records do not cost a read each. */
const BLOCK_BYTES = 4096;
/**
 * Bytes that no record brings read as zeros, as in the file `makedumpfile -R` makes; no whole dump has more of them in
 * one read.
 */
const MOST_HOLE_BYTES = 2 ** 20;
/** Both fields of the record that ends the stream. */
const END = -1n;

/** A flattened dump put in order. */
export interface FlattenedDump {
  /** The dump as it would be after `makedumpfile -R`. */
  readonly file: DumpFile;
  readonly problems: readonly DumpProblem[];
}

/**
 * Presents a flattened dump (makedumpfile -F, QEMU's kdump) as the file it stands for. Only the record headers are
 * read. Where records overlap the later one wins, as it would when written in order. A stream that was cut off or
 * damaged is used up to there. Source: linux-vmcore.md section 1.
 */
export function arrangeFlattened(file: DumpFile): FlattenedDump {
  checkVersion(file);
  const records = new ExtentTable();
  const problem = readRecords(file, records);
  const extents = paintOver(records);
  const bytes = extents.count === 0 ? 0 : extents.end(extents.count - 1);
  const read = (offset: number, length: number) => readArranged(file, extents, bytes, offset, length);
  return { file: { path: file.path, bytes, read, close: () => file.close() }, problems: problem ? [problem] : [] };
}

function checkVersion(file: DumpFile): void {
  if (file.bytes < HEADER_BYTES)
    throw new StopcodeError(
      "dump/truncated",
      `a flattened dump begins with ${HEADER_BYTES} bytes, ${file.bytes} are there`,
      {
        where: { file: file.path, offset: 0 },
        hint: "the dump was cut off at its start: nothing of it can be read",
      },
    );
  const header = Buffer.from(file.read(0, 32));
  const type = header.readBigInt64BE(16);
  const version = header.readBigInt64BE(24);
  if (type !== 1n || version !== 1n)
    throw new StopcodeError(
      "dump/unsupported-version",
      `flattened form of type ${type}, version ${version}; 1 and 1 are known`,
      {
        where: { file: file.path, offset: 16 },
        hint: "put it in order with makedumpfile's own `makedumpfile -R DUMP < FLATTENED`",
      },
    );
}

/** Hops from record header to record header; says where that had to end early. */
function readRecords(file: DumpFile, records: ExtentTable): DumpProblem | null {
  let block = Buffer.alloc(0);
  let blockAt = 0;
  for (let at = HEADER_BYTES; ; ) {
    if (at + RECORD_HEADER_BYTES > file.bytes)
      return {
        code: "truncated",
        message: "the flattened stream has no end record: it was cut off",
        offset: file.bytes,
      };
    if (at < blockAt || at + RECORD_HEADER_BYTES > blockAt + block.length) {
      block = Buffer.from(file.read(at, Math.min(BLOCK_BYTES, file.bytes - at)));
      blockAt = at;
    }
    const offset = block.readBigInt64BE(at - blockAt);
    const size = block.readBigInt64BE(at - blockAt + 8);
    if (offset === END && size === END) return null;
    const end = offset + size;
    if (offset < 0n || size < 0n || end > BigInt(Number.MAX_SAFE_INTEGER))
      return {
        code: "truncated",
        message: `a record claims offset ${offset} and ${size} bytes; the stream is not followed further`,
        offset: at,
      };
    at += RECORD_HEADER_BYTES;
    const there = Math.min(Number(size), file.bytes - at);
    if (there > 0) records.add(Number(offset), Number(offset) + there, at);
    at += Number(size);
  }
}

function readArranged(file: DumpFile, extents: ExtentTable, bytes: number, offset: number, length: number): Uint8Array {
  const end = offset + length;
  const first = extents.find(offset);
  if (first >= 0 && end <= extents.end(first))
    return file.read(extents.offset(first) + offset - extents.start(first), length);
  let covered = 0;
  const from = extents.firstEndingAbove(offset);
  let to = from;
  for (; to < extents.count && extents.start(to) < end; to++)
    covered += Math.min(end, extents.end(to)) - Math.max(offset, extents.start(to));
  if (offset < 0 || end > bytes || length - covered > MOST_HOLE_BYTES)
    throw new StopcodeError(
      "dump/truncated",
      `${length} bytes are needed at byte ${offset} of the dump, ${covered} of them came`,
      {
        where: { file: file.path, offset },
        hint: "the flattened dump was cut off or is still being written",
      },
    );
  const result = new Uint8Array(length);
  for (let index = from; index < to; index++) {
    const start = Math.max(offset, extents.start(index));
    const part = Math.min(end, extents.end(index)) - start;
    result.set(file.read(extents.offset(index) + start - extents.start(index), part), start - offset);
  }
  return result;
}
