import { StopcodeError } from "../../binary/index.ts";
import type { Architecture, Dump, DumpNote, DumpProblem } from "../dump.ts";
import type { DumpFile } from "../file.ts";
import * as elf from "./layouts.ts";
import { ElfMemory } from "./memory.ts";
import { parseNotes, vmcoreinfoOf } from "./notes.ts";
import { processorsOf } from "./processors.ts";
import { type ProgramHeaders, readProgramHeaders } from "./program-headers.ts";

/** Notes of 4,096 processors take 4 MiB; device dumps (NT_VMCOREDD) may add to that. */
const MOST_NOTE_BYTES = 64 * 2 ** 20;

/**
 * Opens an ELF64 vmcore of QEMU, kexec (/proc/vmcore), makedumpfile -E or of this project: headers and notes are read,
 * no memory. A file that was cut off opens as far as it goes and says so in `problems`. AArch64 opens without
 * registers.
 * @throws StopcodeError `dump/unsupported-…` for what is ELF but no 64-bit little-endian vmcore
 */
export function openElf(file: DumpFile): Dump {
  if (file.bytes < elf.elfHeader.size)
    throw new StopcodeError(
      "dump/truncated",
      `an ELF header needs ${elf.elfHeader.size} bytes, ${file.bytes} are there`,
      {
        where: { file: file.path, offset: 0 },
        hint: "the dump was cut off at its start: nothing of it can be read",
      },
    );
  const header = elf.elfHeader.read(file.read(0, elf.elfHeader.size));
  const arch = architectureOf(file, header);
  const headers = readProgramHeaders(file, header);
  const { notes, problems: noteProblems } = readNotes(file, headers);
  refuseUserCore(file, headers, notes);
  const memory = new ElfMemory(file, headers.loads);
  const problems = [...headers.problems, ...noteProblems];
  if (arch !== "x86_64")
    problems.push({ code: "registers-not-read", message: `the registers of ${arch} are not read`, offset: null });
  return {
    file: file.path,
    format: "elf-vmcore",
    arch,
    bytes: file.bytes,
    complete: problems.every(({ code }) => code !== "truncated"),
    memory,
    pages: memory.runs().reduce((sum, { pageCount }) => sum + pageCount, 0),
    cpus: arch === "x86_64" ? processorsOf(notes) : [],
    notes,
    stopCode: null,
    header: { kind: "elf", vmcoreinfo: vmcoreinfoOf(notes) },
    problems,
    close: () => file.close(),
  };
}

function architectureOf(file: DumpFile, header: ReturnType<typeof elf.elfHeader.read>): Architecture {
  const refuse = (code: string, message: string, offset: number, hint: string) =>
    new StopcodeError(`dump/unsupported-${code}`, message, { where: { file: file.path, offset }, hint });
  const { fields } = elf.elfHeader;
  const others = "crash(8) or drgn can read it";
  if (header.class !== elf.CLASS_64)
    throw refuse("class", `this is a 32-bit ELF file (EI_CLASS ${header.class})`, fields.class.offset, others);
  if (header.data !== elf.LITTLE_ENDIAN)
    throw refuse("byte-order", `this ELF file is not little-endian (${header.data})`, fields.data.offset, others);
  if (header.type !== elf.TYPE_CORE)
    throw refuse(
      "elf-type",
      `this ELF file is no core (e_type ${header.type}, not ${elf.TYPE_CORE})`,
      fields.type.offset,
      "a program or a kernel image (vmlinux) holds no crash: name the vmcore",
    );
  if (header.machine === elf.MACHINE_X86_64) return "x86_64";
  if (header.machine === elf.MACHINE_AARCH64) return "arm64";
  throw refuse("machine", `vmcores of ELF machine ${header.machine} are not read`, fields.machine.offset, others);
}

function readNotes(file: DumpFile, headers: ProgramHeaders): { notes: DumpNote[]; problems: DumpProblem[] } {
  const notes: DumpNote[] = [];
  const problems: DumpProblem[] = [];
  let left = MOST_NOTE_BYTES;
  for (const { offset, bytes } of headers.notes) {
    const some = Math.min(bytes, left);
    if (some < bytes)
      problems.push({ code: "bad-header-field", message: `notes of more than ${MOST_NOTE_BYTES} bytes`, offset });
    const parsed = parseNotes(file.read(offset, some));
    notes.push(...parsed.notes);
    if (parsed.damagedAt !== null)
      problems.push({
        code: offset + bytes >= file.bytes ? "truncated" : "bad-note",
        message: "a note is longer than the space it stands in; the notes from here on are not read",
        offset: offset + parsed.damagedAt,
      });
    left -= some;
    if (left === 0) break;
  }
  return { notes, problems };
}

/** The core of a user process is ELF too, but it holds virtual memory: read as physical it would be nonsense. */
function refuseUserCore(file: DumpFile, headers: ProgramHeaders, notes: readonly DumpNote[]): void {
  const byNote = notes.some(({ name, type }) => name === "CORE" && (type === elf.NT_AUXV || type === elf.NT_FILE));
  if (!byNote && (headers.hasPhysicalAddresses || headers.loads.count < 2)) return;
  throw new StopcodeError(
    "dump/user-core",
    byNote
      ? "this is the core of a user process (it carries NT_AUXV or NT_FILE), not of a machine"
      : "none of its segments names a physical address (p_paddr is 0 everywhere)",
    {
      where: { file: file.path, offset: elf.elfHeader.fields.programHeaders.offset },
      hint: "gdb reads the cores of processes",
    },
  );
}
