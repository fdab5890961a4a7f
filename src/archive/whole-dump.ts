import { hex, PAGE_SIZE, type PhysicalMemory, StopcodeError } from "../binary/index.ts";
import type { Dump, DumpImage, PageSource } from "../dumpfile/index.ts";

/** Bytes of the header that a Windows dump begins with; its writer fills in what depends on the pages. */
const WINDOWS_HEADER_BYTES = 0x2000;

/**
 * A crash's dump with its private pages back in their places, in the format the dump has: as it would be had nothing been private.
 * `write` gets the image; both files stay open until it is done.
 *
 * @throws StopcodeError `archive/overlap` when a page is in both files, and what opening throws
 */
export async function withWholeDump<T>(
  dumpPath: string,
  privatePath: string,
  write: (image: DumpImage) => Promise<T>,
): Promise<T> {
  const { openDump } = await import("../dumpfile/index.ts");
  const dump = await openDump(dumpPath);
  try {
    const sealed = await openDump(privatePath);
    try {
      return await write(await imageLike(dump, joined(dump, sealed)));
    } finally {
      sealed.close();
    }
  } finally {
    dump.close();
  }
}

function joined(dump: Dump, sealed: Dump): PageSource {
  const open = physical(dump);
  const secret = physical(sealed);
  const runs: { firstPage: number; pageCount: number }[] = [];
  for (const { firstPage, pageCount } of [...open.runs(), ...secret.runs()].sort((a, b) => a.firstPage - b.firstPage)) {
    const last = runs.at(-1);
    const end = last ? last.firstPage + last.pageCount : -1;
    if (firstPage < end) throw overlap(dump.file, firstPage);
    if (last && firstPage === end) last.pageCount += pageCount;
    else runs.push({ firstPage, pageCount });
  }
  return {
    runs,
    read(firstPage, pageCount) {
      const bytes = new Uint8Array(pageCount * PAGE_SIZE);
      for (let index = 0; index < pageCount; index++) {
        const page = firstPage + index;
        const memory = secret.pageState(page) === "present" ? secret : open;
        bytes.set(memory.read(page * PAGE_SIZE, PAGE_SIZE), index * PAGE_SIZE);
      }
      return bytes;
    },
  };
}

const overlap = (file: string, page: number) =>
  new StopcodeError("archive/overlap", `page frame ${hex(page)} is both in the dump and sealed`, {
    where: { file },
    hint: "dump and sealed pages are not of one crash: `stopcode dump verify` says which of them was changed",
  });

function physical({ memory, file, format }: Dump): PhysicalMemory {
  if (memory.kind === "physical") return memory;
  throw new StopcodeError("archive/no-page-map", `a ${format} dump has no page map to put pages into`, {
    where: { file },
    hint: "leave the private pages in a file of their own",
  });
}

async function imageLike(dump: Dump, pages: PageSource): Promise<DumpImage> {
  const { elfVmcore, openDumpFile, windowsBitmapDump, windowsFullDump } = await import("../dumpfile/index.ts");
  if (dump.header.kind !== "windows") return elfVmcore({ processors: dump.cpus, notes: dump.notes, pages });
  const file = openDumpFile(dump.file);
  try {
    const header = file.read(0, WINDOWS_HEADER_BYTES);
    if (dump.format === "windows-full") return windowsFullDump({ header, pages });
    return windowsBitmapDump({ header, pages, type: dump.header.windows.dumpType === 5 ? 5 : 6 });
  } finally {
    file.close();
  }
}
