import { hex, PAGE_SIZE, StopcodeError } from "../binary/index.ts";
import type { Dump, DumpImage, PageSource } from "../dumpfile/index.ts";
import { imageOf, physicalMemoryOf, writableFormats } from "./image-of.ts";

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
      const format = writableFormats.find((known) => known === dump.format) ?? "elf-vmcore";
      return await write(await imageOf(dump, joined(dump, sealed), format));
    } finally {
      sealed.close();
    }
  } finally {
    dump.close();
  }
}

function joined(dump: Dump, sealed: Dump): PageSource {
  const open = physicalMemoryOf(dump);
  const secret = physicalMemoryOf(sealed);
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
