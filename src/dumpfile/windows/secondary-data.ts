import type { DumpProblem, TriageParts } from "../dump.ts";
import type { DumpFile } from "../file.ts";
import { DUMP_BLOB, dumpBlob, dumpBlobFile } from "./triage-layouts.ts";

/** Far more records than drivers add; keeps a damaged file of tiny records from being walked for minutes. */
const MAX_RECORDS = 10_000;

/** A GUID as Windows prints it: the first three groups are little-endian numbers. */
function guidText(bytes: Uint8Array): string {
  const digits = (from: number, to: number) => Buffer.from(bytes.subarray(from, to)).toString("hex");
  const number = (from: number, to: number) => Buffer.from(bytes.subarray(from, to)).reverse().toString("hex");
  return [number(0, 4), number(4, 6), number(6, 8), digits(8, 10), digits(10, 16)].join("-");
}

/**
 * The records that drivers and the system added behind the triage part, up to the end of the file or a tail of zeros.
 * Source: windows-dump.md section 4a.
 */
export function secondaryData(file: DumpFile, start: number, problems: DumpProblem[]): TriageParts["secondary"] {
  if (start + dumpBlobFile.size > file.bytes) return [];
  const head = dumpBlobFile.read(file.read(start, dumpBlobFile.size));
  if (head.signature1 !== DUMP_BLOB.signature1 || head.signature2 !== DUMP_BLOB.signature2) return [];
  const records: { tag: string; offset: number; bytes: number }[] = [];
  const stopAt = (code: string, message: string, offset: number) => {
    problems.push({ code, message, offset });
    return records;
  };
  let at = start + head.headerSize;
  while (at + dumpBlob.size <= file.bytes) {
    const record = dumpBlob.read(file.read(at, dumpBlob.size));
    if (record.headerSize === 0) return records;
    if (record.headerSize < dumpBlob.size)
      return stopAt("bad-triage-field", `a secondary record has a head of ${record.headerSize} bytes`, at);
    if (records.length === MAX_RECORDS)
      return stopAt("bad-triage-field", `there are more than ${MAX_RECORDS} secondary records`, at);
    const offset = at + record.headerSize + record.prePad;
    if (offset + record.dataSize > file.bytes)
      return stopAt("truncated", `a secondary record of ${record.dataSize} bytes goes past the end of the file`, at);
    records.push({ tag: guidText(record.tag), offset, bytes: record.dataSize });
    at = offset + record.dataSize + record.postPad;
  }
  return at >= file.bytes ? records : stopAt("truncated", "the secondary data ends inside the head of a record", at);
}
