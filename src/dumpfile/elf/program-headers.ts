import { StopcodeError } from "../../binary/index.ts";
import type { DumpProblem } from "../dump.ts";
import { ExtentTable } from "../extents.ts";
import type { DumpFile } from "../file.ts";
import { elfHeader, PN_XNUM, PT_LOAD, PT_NOTE, programHeader, sectionHeader } from "./layouts.ts";

/** A 16 GiB guest has no more page runs than this, however fragmented; more is a damaged header. */
const MOST_HEADERS = 4_194_304;
const HEADERS_A_READ = 16_384;
/** x86-64 and AArch64 address at most 52 bits of physical memory. */
const ADDRESS_LIMIT = 2 ** 52;

/** What the program headers of a vmcore say, cut to what the file holds. */
export interface ProgramHeaders {
  /** Physical address ranges and their place in the file. */
  readonly loads: ExtentTable;
  /** Places of notes in the file. */
  readonly notes: readonly { readonly offset: number; readonly bytes: number }[];
  readonly problems: readonly DumpProblem[];
  /** Whether any PT_LOAD names another physical address than 0. */
  readonly hasPhysicalAddresses: boolean;
}

type ElfHeader = ReturnType<typeof elfHeader.read>;

/** Reads the whole table, in pieces. Damage is reported once a kind, with how often and where it was seen first. */
export function readProgramHeaders(file: DumpFile, header: ElfHeader): ProgramHeaders {
  const seen = new Map<string, { code: string; count: number; offset: number; what: string }>();
  const report = (code: string, what: string, offset: number) => {
    const entry = seen.get(what) ?? { code, count: 0, offset, what };
    seen.set(what, { ...entry, count: entry.count + 1 });
  };
  const loads = new ExtentTable();
  const notes: { offset: number; bytes: number }[] = [];
  let hasPhysicalAddresses = false;

  const count = headerCount(file, header, report);
  const { type, offset, physicalAddress, fileBytes } = programHeader.fields;
  for (let done = 0; done < count; done += HEADERS_A_READ) {
    const some = Math.min(HEADERS_A_READ, count - done);
    const table = file.read(header.programHeaders + done * programHeader.size, some * programHeader.size);
    const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
    for (let at = 0; at < table.length; at += programHeader.size) {
      const kind = type.get(view, at + type.offset);
      if (kind !== PT_LOAD && kind !== PT_NOTE) continue;
      const from = offset.get(view, at + offset.offset);
      const promised = fileBytes.get(view, at + fileBytes.offset);
      const there = Math.max(0, Math.min(promised, file.bytes - from));
      if (there < promised)
        report("truncated", `${kind === PT_LOAD ? "memory" : "notes"} past the end of the file`, from);
      if (kind === PT_NOTE && there > 0) notes.push({ offset: from, bytes: there });
      if (kind !== PT_LOAD) continue;
      const address = physicalAddress.get(view, at + physicalAddress.offset);
      if (address > 0) hasPhysicalAddresses = true;
      if (address + there > ADDRESS_LIMIT)
        report("bad-header-field", "a physical address above 52 bits", header.programHeaders + done * 56 + at);
      else if (there > 0) loads.add(address, address + there, from);
    }
  }
  const problems = [...seen.values()].map(({ code, count: times, offset: at, what }) => ({
    code,
    message: `${what}, in ${times} of ${count} program headers`,
    offset: at,
  }));
  return { loads, notes, problems, hasPhysicalAddresses };
}

function headerCount(
  file: DumpFile,
  header: ElfHeader,
  report: (code: string, what: string, offset: number) => void,
): number {
  const { programHeaders, programHeaderSize, sectionHeaders } = header;
  if (programHeaderSize !== programHeader.size)
    throw new StopcodeError("dump/bad-header-field", `e_phentsize is ${programHeaderSize}, not ${programHeader.size}`, {
      where: { file: file.path, offset: elfHeader.fields.programHeaderSize.offset },
      hint: "the ELF header is damaged: take the dump from its source again",
    });
  const extended = header.programHeaderCount === PN_XNUM && sectionHeaders > 0;
  if (extended && sectionHeaders + sectionHeader.size > file.bytes) {
    report(
      "truncated",
      "the number of program headers (sh_info of section 0) past the end of the file",
      sectionHeaders,
    );
    return 0;
  }
  const promised = extended
    ? sectionHeader.read(file.read(sectionHeaders, sectionHeader.size)).info
    : header.programHeaderCount;
  const fit = Math.max(0, Math.floor((file.bytes - programHeaders) / programHeader.size));
  if (promised > fit) report("truncated", "program headers past the end of the file", programHeaders + fit * 56);
  if (Math.min(promised, fit) > MOST_HEADERS)
    report("bad-header-field", `more than ${MOST_HEADERS} program headers`, programHeaders);
  return Math.min(promised, fit, MOST_HEADERS);
}
