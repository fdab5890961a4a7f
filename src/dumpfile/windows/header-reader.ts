import { hex, type PageRun, StopcodeError } from "../../binary/index.ts";
import type { Architecture, DumpProblem, HeaderStopCode, WindowsHeader } from "../dump.ts";
import type { DumpFile } from "../file.ts";
import {
  DUMP_HEADER_SIZE,
  dumpHeader64,
  MACHINE,
  PAGE_FILL,
  PAGE_FILL_64,
  PAGE_FRAMES,
  physicalMemoryRun,
} from "./dump-header.ts";

/** The raw table beside what is handed out of it. */
export interface ReadHeader {
  readonly raw: ReturnType<typeof dumpHeader64.read>;
  readonly header: WindowsHeader;
  readonly arch: Architecture;
  readonly stopCode: HeaderStopCode | null;
}

/** @throws StopcodeError `dump/unsupported-type` for a 32-bit dump, `dump/unknown-kind` for what is no kernel dump at all */
function requirePageDu64(file: DumpFile, head: Uint8Array): void {
  const start = Buffer.from(head.subarray(0, 8)).toString("latin1");
  const where = { file: file.path, offset: 0 };
  if (start === "PAGEDUMP")
    throw new StopcodeError(
      "dump/unsupported-type",
      "this is the dump of a 32-bit Windows; only 64-bit ones are read",
      {
        where,
        hint: "WinDbg and volatility3 open 32-bit dumps",
      },
    );
  if (start !== "PAGEDU64")
    throw new StopcodeError("dump/unknown-kind", `expected "PAGEDU64" at the start, found ${JSON.stringify(start)}`, {
      where,
      hint: "name a kernel dump as Windows wrote it: C:\\Windows\\MEMORY.DMP or a file of C:\\Windows\\Minidump",
    });
}

const unlessFill = (value: number): number | null => (value === PAGE_FILL ? null : value);
const unlessFill64 = (value: bigint): bigint | null => (value === PAGE_FILL_64 ? null : value);
// A size field clips at 2^53 - 1: the fill, and anything else no disk can hold, ends there.
const unlessHuge = (value: number): number | null => (value === Number.MAX_SAFE_INTEGER ? null : value);

function commentOf(raw: Uint8Array): string | null {
  const text = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString("latin1");
  return text.startsWith("PAGEPAGE") ? null : text.split("\0", 1)[0]!;
}

/**
 * The runs of the header's memory descriptor, in its order. Null when the descriptor was not written or cannot be right;
 * a run that cannot be right ends the list, as where later runs lie depends on it.
 */
function memoryRunsOf(raw: ReadHeader["raw"]): PageRun[] | null {
  const slots = raw.physicalMemoryRuns.length / physicalMemoryRun.size;
  if (raw.numberOfRuns === 0 || raw.numberOfRuns > slots) return null;
  const runs: PageRun[] = [];
  for (let index = 0; index < raw.numberOfRuns; index++) {
    const { basePage, pageCount } = physicalMemoryRun.read(raw.physicalMemoryRuns, index * physicalMemoryRun.size);
    if (basePage + pageCount > PAGE_FRAMES) break;
    runs.push({ firstPage: basePage, pageCount });
  }
  return runs;
}

function architectureOf(machine: number): Architecture {
  if (machine === MACHINE.x64) return "x86_64";
  if (machine === MACHINE.arm64) return "arm64";
  return machine === MACHINE.x86 ? "x86" : "unknown";
}

/**
 * Reads the 0x2000 bytes at the start of a 64-bit kernel dump.
 *
 * @throws StopcodeError `dump/unsupported-type`, `dump/unknown-kind`, or `dump/truncated` when the file ends inside the header
 */
export function readHeader(file: DumpFile, problems: DumpProblem[]): ReadHeader {
  const head = file.read(0, Math.min(DUMP_HEADER_SIZE, file.bytes));
  requirePageDu64(file, head);
  if (head.length < DUMP_HEADER_SIZE)
    throw new StopcodeError(
      "dump/truncated",
      `a Windows dump header takes ${DUMP_HEADER_SIZE} bytes, the file ends at ${head.length}`,
      { where: { file: file.path, offset: head.length }, hint: "the dump was cut off; copy it again from the machine" },
    );
  const raw = dumpHeader64.read(head);
  const field = (name: keyof typeof dumpHeader64.fields, message: string) =>
    problems.push({ code: "bad-header-field", message, offset: dumpHeader64.fields[name].offset });

  const arch = architectureOf(raw.machineImageType);
  if (arch === "unknown")
    field("machineImageType", `machine type ${hex(raw.machineImageType)} is neither x64 nor ARM64`);
  if (raw.numberProcessors === 0 || raw.numberProcessors > 0x1000)
    field("numberProcessors", `${raw.numberProcessors} processors cannot be right`);

  const stopCode: HeaderStopCode | null =
    raw.bugCheckCode === PAGE_FILL
      ? null
      : {
          code: raw.bugCheckCode,
          parameters: [raw.bugCheckParameter1, raw.bugCheckParameter2, raw.bugCheckParameter3, raw.bugCheckParameter4],
        };
  const header: WindowsHeader = {
    majorVersion: raw.majorVersion,
    build: raw.minorVersion,
    directoryTableBase: raw.directoryTableBase,
    pfnDatabase: raw.pfnDataBase,
    loadedModuleList: raw.psLoadedModuleList,
    activeProcessHead: raw.psActiveProcessHead,
    machineType: raw.machineImageType,
    processors: raw.numberProcessors,
    debuggerDataBlock: raw.kdDebuggerDataBlock,
    dumpType: raw.dumpType,
    requiredDumpSpace: unlessHuge(raw.requiredDumpSpace),
    memoryRuns: memoryRunsOf(raw),
    systemTime: unlessFill64(raw.systemTime),
    systemUpTime: unlessFill64(raw.systemUpTime),
    comment: commentOf(raw.comment),
    productType: unlessFill(raw.productType),
    contextRecord: raw.contextRecord,
    exceptionRecord: raw.exception,
  };
  return { raw, header, arch, stopCode };
}
