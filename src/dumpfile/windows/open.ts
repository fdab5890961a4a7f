import { StopcodeError } from "../../binary/index.ts";
import type { Dump, DumpFormat, DumpProblem, DumpProcessor, TriageParts } from "../dump.ts";
import type { DumpFile } from "../file.ts";
import { bitmapMap } from "./bitmap-map.ts";
import { contextRegisters } from "./context-registers.ts";
import { DUMP_TYPE, dumpHeader64 } from "./dump-header.ts";
import { type ReadHeader, readHeader } from "./header-reader.ts";
import { mappedMemory, type PageMap } from "./page-map.ts";
import { runMap } from "./run-map.ts";
import { readTriage } from "./triage-reader.ts";

/** Dump types that exist and are not read: what they are, and how to get something that is. */
const REFUSED: Readonly<Record<number, { what: string; hint: string }>> = {
  [DUMP_TYPE.summary]: {
    what: "a summary dump, the kernel dump of old Windows",
    hint: "open it in WinDbg, or set a complete memory dump and let it crash again",
  },
  [DUMP_TYPE.headerOnly]: {
    what: "a dump that is only a header: no memory was written",
    hint: "set a small, kernel or complete memory dump in Startup and Recovery",
  },
  [DUMP_TYPE.automatic]: {
    what: "marked automatic, which is a setting and never the type of a finished dump",
    hint: "the writer did not finish; look for another dump of the same crash in C:\\Windows\\Minidump",
  },
  ...Object.fromEntries(
    [DUMP_TYPE.liveKernel, DUMP_TYPE.liveKernelAndUser, DUMP_TYPE.liveComplete].map((type) => [
      type,
      {
        what: "an RDMP dump, written by a recent WinDbg from a debugged kernel",
        hint: "open it in WinDbg; what Windows writes itself as kernel or complete memory dump is read here",
      },
    ]),
  ),
};

/** @throws StopcodeError always: `dump/unsupported-type` when the type is known, `dump/bad-header` when it is none */
function refuse(file: DumpFile, dumpType: number): never {
  const where = { file: file.path, offset: dumpHeader64.fields.dumpType.offset };
  const known = REFUSED[dumpType];
  if (known)
    throw new StopcodeError("dump/unsupported-type", `this is ${known.what} (type ${dumpType})`, {
      where,
      hint: known.hint,
    });
  throw new StopcodeError("dump/bad-header", `expected dump type 1, 4, 5 or 6, found ${dumpType}`, {
    where,
    hint: "the header is damaged or the dump was never finished; copy it again from the machine",
  });
}

/** The crashed processor from the header's CONTEXT; none where nobody wrote one. */
function headerProcessor({ header, arch }: ReadHeader, index: number): DumpProcessor[] {
  const registers = contextRegisters(header.contextRecord, arch);
  if (registers === null) return [];
  // A CONTEXT has no CR3; the header has, with the process context identifier that its low 12 bits may hold.
  const cr3 = arch === "x86_64" ? { cr3: header.directoryTableBase } : {};
  return [{ index, source: "header context", registers: { ...registers, ...cr3 }, pid: null }];
}

interface Body {
  readonly format: DumpFormat;
  readonly memory: Dump["memory"];
  readonly pages: number;
  readonly triage: TriageParts | null;
  readonly processor: number;
}

function mappedBody(file: DumpFile, format: DumpFormat, map: PageMap, problems: DumpProblem[]): Body {
  if (map.readable < map.pages)
    problems.push({
      code: "truncated",
      message: `the file holds ${map.readable} of the ${map.pages} pages that its page map promises`,
      offset: file.bytes,
    });
  const memory = { kind: "physical" as const, ...mappedMemory(file, map) };
  return { format, memory, pages: map.pages, triage: null, processor: 0 };
}

function triageBody(file: DumpFile, header: ReadHeader, problems: DumpProblem[]): Body {
  const { parts, memory, processor } = readTriage(file, header, problems);
  return {
    format: "windows-triage",
    memory: { kind: "virtual", ...memory },
    pages: 0,
    triage: parts,
    processor: processor ?? 0,
  };
}

function readBody(file: DumpFile, header: ReadHeader, problems: DumpProblem[]): Body {
  switch (header.raw.dumpType) {
    case DUMP_TYPE.full:
      return mappedBody(file, "windows-full", runMap(file, header, problems), problems);
    case DUMP_TYPE.bitmapFull:
    case DUMP_TYPE.bitmapKernel:
      return mappedBody(file, "windows-bitmap", bitmapMap(file, problems), problems);
    case DUMP_TYPE.triage:
      return triageBody(file, header, problems);
    default:
      return refuse(file, header.raw.dumpType);
  }
}

/**
 * Opens a 64-bit Windows kernel dump: full (type 1), bitmap (5 and 6) or triage (4). Reads the header and the page map, of a
 * triage dump its lists; pages are read where asked. A damaged dump opens as far as it is readable and says so in `problems`.
 *
 * @throws StopcodeError `dump/unsupported-type` for the kinds that are not read, `dump/unknown-kind`, `dump/bad-header`,
 * `dump/truncated` when the file ends inside the header
 */
export function openWindowsDump(file: DumpFile): Dump {
  const problems: DumpProblem[] = [];
  const header = readHeader(file, problems);
  const body = readBody(file, header, problems);
  return {
    file: file.path,
    format: body.format,
    arch: header.arch,
    bytes: file.bytes,
    // A wrong field of the header hides nothing; a page map or a list that is cut or damaged may.
    complete: problems.every((problem) => problem.code === "bad-header-field"),
    memory: body.memory,
    pages: body.pages,
    cpus: headerProcessor(header, body.processor),
    notes: [],
    stopCode: header.stopCode,
    header: { kind: "windows", windows: header.header, triage: body.triage },
    problems,
    close: () => file.close(),
  };
}
