import { PAGE_SIZE, type Registers } from "../../binary/index.ts";
import type { DumpNote } from "../dump.ts";
import type { DumpImage, PageSource } from "../image.ts";
import * as elf from "./layouts.ts";
import { noteBytes } from "./notes.ts";
import { isPrstatus, isQemuNote, prstatusNote, qemuNote } from "./processors.ts";

const CHUNK_PAGES = 256;
const CHUNK_BYTES = CHUNK_PAGES * PAGE_SIZE;
const HEADERS_A_CHUNK = 16_384;

/** What a vmcore is made of. */
export interface VmcoreContents {
  readonly processors: readonly { readonly index: number; readonly registers: Registers }[];
  /**
   * Notes besides those of the processors (VMCOREINFO …). Processor notes among them are left out, because `processors`
   * stands for them.
   */
  readonly notes: readonly DumpNote[];
  readonly pages: PageSource;
}

/**
 * An ELF64 vmcore as QEMU lays it out: header, program headers, notes, then the runs of pages one after the other from
 * a page boundary on. p_vaddr is 0, as nothing here knows the kernel's addresses; readers go by p_paddr. More than
 * 65,534 runs put the number of program headers into sh_info of a section 0. Source: System V ABI; linux-vmcore.md
 * sections 1 and 8.
 */
export function elfVmcore({ processors, notes, pages }: VmcoreContents): DumpImage {
  const noteSegment = noteBytes([
    ...processors.map(({ index, registers }) => prstatusNote(index, registers)),
    ...processors.map(({ registers }) => qemuNote(registers)),
    ...notes.filter((note) => !isPrstatus(note) && !isQemuNote(note)),
  ]);
  const pageCount = pages.runs.reduce((sum, run) => sum + run.pageCount, 0);
  const headerCount = pages.runs.length + 1;
  const overflow = headerCount >= elf.PN_XNUM;
  const tableAt = elf.elfHeader.size + (overflow ? elf.sectionHeader.size : 0);
  const notesAt = tableAt + headerCount * elf.programHeader.size;
  const notesEnd = notesAt + noteSegment.length;
  const memoryAt = Math.ceil(notesEnd / PAGE_SIZE) * PAGE_SIZE;

  function* chunks(): Generator<Uint8Array, void, undefined> {
    yield fileHeader(headerCount, overflow, tableAt);
    yield noteProgramHeader(notesAt, noteSegment.length);
    yield* loadProgramHeaders(pages.runs, memoryAt);
    for (let at = 0; at < noteSegment.length; at += CHUNK_BYTES) yield noteSegment.subarray(at, at + CHUNK_BYTES);
    if (memoryAt > notesEnd) yield new Uint8Array(memoryAt - notesEnd);
    for (const { firstPage, pageCount: length } of pages.runs)
      for (let done = 0; done < length; done += CHUNK_PAGES)
        yield pages.read(firstPage + done, Math.min(CHUNK_PAGES, length - done));
  }
  return { bytes: memoryAt + pageCount * PAGE_SIZE, pages: pageCount, chunks };
}

function fileHeader(headerCount: number, overflow: boolean, tableAt: number): Uint8Array {
  const data = new Uint8Array(tableAt);
  elf.elfHeader.write(data, 0, {
    magic: elf.ELF_MAGIC,
    class: elf.CLASS_64,
    data: elf.LITTLE_ENDIAN,
    identVersion: 1,
    type: elf.TYPE_CORE,
    machine: elf.MACHINE_X86_64,
    version: 1,
    programHeaders: tableAt,
    sectionHeaders: overflow ? elf.elfHeader.size : 0,
    headerSize: elf.elfHeader.size,
    programHeaderSize: elf.programHeader.size,
    programHeaderCount: overflow ? elf.PN_XNUM : headerCount,
    sectionHeaderSize: elf.sectionHeader.size,
    sectionHeaderCount: overflow ? 1 : 0,
  });
  if (overflow) elf.sectionHeader.write(data, elf.elfHeader.size, { info: headerCount });
  return data;
}

function noteProgramHeader(offset: number, length: number): Uint8Array {
  const data = new Uint8Array(elf.programHeader.size);
  elf.programHeader.write(data, 0, { type: elf.PT_NOTE, offset, fileBytes: length, memoryBytes: length, align: 4n });
  return data;
}

function* loadProgramHeaders(runs: PageSource["runs"], memoryAt: number): Generator<Uint8Array> {
  let offset = memoryAt;
  for (let done = 0; done < runs.length; done += HEADERS_A_CHUNK) {
    const some = runs.slice(done, done + HEADERS_A_CHUNK);
    const data = new Uint8Array(some.length * elf.programHeader.size);
    for (const [position, { firstPage, pageCount }] of some.entries()) {
      const length = pageCount * PAGE_SIZE;
      elf.programHeader.write(data, position * elf.programHeader.size, {
        type: elf.PT_LOAD,
        flags: 7,
        offset,
        physicalAddress: firstPage * PAGE_SIZE,
        fileBytes: length,
        memoryBytes: length,
        align: BigInt(PAGE_SIZE),
      });
      offset += length;
    }
    yield data;
  }
}
