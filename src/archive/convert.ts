import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { nameNewFile, onDisk, refuseExisting, requireSpace } from "./disk.ts";
import { imageOf, pagesOf, type WritableFormat } from "./image-of.ts";
import type { ProgressOption } from "./progress.ts";
import { streamFile } from "./stream-file.ts";

export interface ConvertOptions extends ProgressOption {
  readonly format: WritableFormat;
  /** Where the result goes; it must not exist. */
  readonly target: string;
}

/** The document of `dump convert --json`. */
export interface Converted {
  readonly file: string;
  readonly format: WritableFormat;
  readonly pages: number;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Writes a dump's pages in another format. The target appears whole or not at all.
 *
 * @throws StopcodeError `archive/no-page-map`, `archive/no-windows-header`, `dump/too-many-runs`, `io/…`, and what opening throws
 */
export async function convertDump(path: string, { format, target, onProgress }: ConvertOptions): Promise<Converted> {
  const { openDump } = await import("../dumpfile/index.ts");
  const dump = await openDump(path);
  const file = resolve(target);
  const unfinished = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString("hex")}`);
  try {
    refuseExisting(file);
    const image = await imageOf(dump, pagesOf(dump), format);
    requireSpace(dirname(file), image.bytes);
    const { bytes, sha256 } = await streamFile(unfinished, image.chunks(), (done) =>
      onProgress?.({ phase: `writing ${basename(file)}`, bytes: done, totalBytes: image.bytes }),
    );
    onDisk("naming the file", file, () => nameNewFile(unfinished, file));
    return { file, format, pages: image.pages, bytes, sha256 };
  } finally {
    dump.close();
    rmSync(unfinished, { force: true });
  }
}
