import { type PageRun, StopcodeError } from "../../binary/index.ts";
import {
  DUMP_HEADER_SIZE,
  dumpHeader64,
  MAX_HEADER_RUNS,
  PAGE_SIGNATURE,
  physicalMemoryRun,
  VALID_DUMP,
} from "./dump-header.ts";

/** What a writer states in the header it was given. */
export interface ImageFacts {
  readonly dumpType: number;
  /** Of the whole file. */
  readonly bytes: number;
  /** At most {@link MAX_HEADER_RUNS}. */
  readonly runs: readonly PageRun[];
}

/** @throws StopcodeError `dump/bad-header` when these are not the 0x2000 bytes of a 64-bit dump header */
export function checkImageHeader(header: Uint8Array): void {
  const raw = header.length === DUMP_HEADER_SIZE ? dumpHeader64.read(header) : null;
  if (raw?.signature === PAGE_SIGNATURE && raw.validDump === VALID_DUMP.bits64) return;
  const found =
    raw === null ? `${header.length} bytes` : `"${Buffer.from(header.subarray(0, 8)).toString("latin1")}" at its start`;
  throw new StopcodeError(
    "dump/bad-header",
    `a Windows dump needs a header of ${DUMP_HEADER_SIZE} bytes that begins with "PAGEDU64", found ${found}`,
    { where: { offset: 0 }, hint: "write this memory as an ELF vmcore: that format needs nothing from the guest" },
  );
}

/** A copy of the header with the fields that depend on the pages written: readers check them against one another. */
export function imageHeader(header: Uint8Array, { dumpType, bytes, runs }: ImageFacts): Uint8Array {
  const copy = header.slice();
  const table = new Uint8Array(MAX_HEADER_RUNS * physicalMemoryRun.size);
  runs.forEach((run, index) => {
    physicalMemoryRun.write(table, index * physicalMemoryRun.size, {
      basePage: run.firstPage,
      pageCount: run.pageCount,
    });
  });
  dumpHeader64.write(copy, 0, {
    dumpType,
    requiredDumpSpace: bytes,
    numberOfRuns: runs.length,
    numberOfPages: runs.reduce((sum, run) => sum + run.pageCount, 0),
    physicalMemoryRuns: table,
  });
  return copy;
}
