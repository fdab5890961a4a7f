import { PAGE_SIZE, type PageRun, type PhysicalMemory, StopcodeError } from "../binary/index.ts";
import {
  type DumpFormat,
  type DumpImage,
  elfVmcore,
  type PageSource,
  windowsBitmapDump,
  windowsFullDump,
} from "../dumpfile/index.ts";
import type { CrashNote, DumpPolicy, HostProcessor } from "../host/index.ts";

/** A dump about to be written, under the name and in the format it will have. */
export interface PlannedDump {
  readonly file: "memory.dmp" | "vmcore.elf";
  readonly format: DumpFormat;
  readonly image: DumpImage;
}

interface Stopped {
  readonly format: DumpPolicy["format"];
  readonly note: CrashNote;
  readonly processors: readonly HostProcessor[];
  readonly pages: PageSource;
}

/** Pages of a partition's memory, for a writer. */
export const pagesOf = (memory: PhysicalMemory, runs: readonly PageRun[]): PageSource => ({
  runs,
  read: (firstPage, pageCount) => memory.read(firstPage * PAGE_SIZE, pageCount * PAGE_SIZE),
});

/**
 * The dump of a stopped partition in the format its policy asks for, or in the nearest one that can hold it: a guest that left no
 * usable header gets an ELF core, and memory in more pieces than a full dump has room for gets a bitmap.
 */
export function dumpOf(stopped: Stopped): PlannedDump {
  const { format, note, pages, processors } = stopped;
  if (format !== "elf-vmcore" && note.kind === "windows") {
    const planned = windowsDump(note.header, stopped);
    if (planned) return planned;
  }
  // A guest's own header travels where QEMU puts it: as the VMCOREINFO note.
  const notes = note.kind === "windows" ? [{ name: "VMCOREINFO", type: 0, bytes: note.header }] : [];
  return { file: "vmcore.elf", format: "elf-vmcore", image: elfVmcore({ processors, notes, pages }) };
}

function windowsDump(header: Uint8Array, { format, pages }: Stopped): PlannedDump | null {
  // Its bitmap says what is left out; volatility3 refuses the same file when it calls itself type 6.
  const bitmap = () => windowsBitmapDump({ header, pages, type: 5 });
  try {
    if (format === "windows-full")
      try {
        return { file: "memory.dmp", format, image: windowsFullDump({ header, pages }) };
      } catch (error) {
        if (!isCode(error, "dump/too-many-runs")) throw error;
      }
    return { file: "memory.dmp", format: "windows-bitmap", image: bitmap() };
  } catch (error) {
    // The guest wrote its header while it was crashing: a spoilt one must not cost the dump.
    if (isCode(error, "dump/bad-header")) return null;
    throw error;
  }
}

const isCode = (error: unknown, code: string) => error instanceof StopcodeError && error.code === code;
