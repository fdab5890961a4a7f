import { PAGE_SIZE, type PhysicalMemory, StopcodeError } from "../binary/index.ts";
import type { Dump, DumpImage, DumpNote, PageSource } from "../dumpfile/index.ts";

/** Bytes of the header that a Windows dump begins with; its writer fills in what depends on the pages. */
const WINDOWS_HEADER_BYTES = 0x2000;

/** Formats a dump can be written in. */
export const writableFormats = ["elf-vmcore", "windows-bitmap", "windows-full"] as const;

export type WritableFormat = (typeof writableFormats)[number];

/** @throws StopcodeError `archive/no-page-map` for a dump that holds pieces of virtual memory only */
export function physicalMemoryOf({ memory, file, format }: Dump): PhysicalMemory {
  if (memory.kind === "physical") return memory;
  throw new StopcodeError("archive/no-page-map", `a ${format} dump has no page map`, {
    where: { file },
    hint: "only dumps of physical memory can be written anew; `stopcode analyze` reads this one as it is",
  });
}

/** All pages that a dump has. */
export function pagesOf(dump: Dump): PageSource {
  const memory = physicalMemoryOf(dump);
  return {
    runs: memory.runs(),
    read: (firstPage, pageCount) => memory.read(firstPage * PAGE_SIZE, pageCount * PAGE_SIZE),
  };
}

/**
 * Pages in a given format, with everything else (header, registers, notes) as the dump has it.
 *
 * @throws StopcodeError `archive/no-windows-header` when a Windows format is asked for and no Windows ran there
 */
export async function imageOf(dump: Dump, pages: PageSource, format: WritableFormat): Promise<DumpImage> {
  const { elfVmcore, windowsBitmapDump, windowsFullDump } = await import("../dumpfile/index.ts");
  const header = await windowsHeaderOf(dump);
  if (format === "elf-vmcore") return elfVmcore({ processors: dump.cpus, notes: notesOf(dump, header), pages });
  if (header === null)
    throw new StopcodeError("archive/no-windows-header", "no Windows header is in this dump", {
      where: { file: dump.file },
      hint: "write it as elf-vmcore",
    });
  if (format === "windows-full") return windowsFullDump({ header, pages });
  const keepsType = dump.header.kind === "windows" && dump.header.windows.dumpType === 6;
  return windowsBitmapDump({ header, pages, type: keepsType ? 6 : 5 });
}

const VMCOREINFO = "VMCOREINFO";

/** The header of a Windows dump, or the one that a Windows guest left as its note in an ELF core. */
async function windowsHeaderOf(dump: Dump): Promise<Uint8Array | null> {
  if (dump.header.kind !== "windows") {
    const note = dump.notes.find(
      ({ name, bytes }) => name === VMCOREINFO && Buffer.from(bytes).indexOf("PAGEDU64") === 0,
    );
    return note && note.bytes.length >= WINDOWS_HEADER_BYTES ? note.bytes.slice(0, WINDOWS_HEADER_BYTES) : null;
  }
  const { openDumpFile } = await import("../dumpfile/index.ts");
  const file = openDumpFile(dump.file);
  try {
    return file.read(0, WINDOWS_HEADER_BYTES);
  } finally {
    file.close();
  }
}

/** The dump's notes, and as the VMCOREINFO note what its format keeps in a place of its own. */
function notesOf(dump: Dump, header: Uint8Array | null): readonly DumpNote[] {
  if (dump.notes.some(({ name }) => name === VMCOREINFO)) return dump.notes;
  const text = dump.header.kind === "windows" ? null : dump.header.vmcoreinfo;
  const bytes = text === null ? header : Buffer.from(text, "latin1");
  return bytes === null ? dump.notes : [...dump.notes, { name: VMCOREINFO, type: 0, bytes }];
}
