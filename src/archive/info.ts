import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { PAGE_SIZE, StopcodeError } from "../binary/index.ts";
import type { Architecture, DumpFormat, DumpProblem } from "../dumpfile/index.ts";
import { onDisk } from "./disk.ts";
import { MANIFEST, sealedPages } from "./manifest.ts";
import { openCrash } from "./open.ts";

/** The document of `dump info --json`. */
export interface DumpInfo {
  readonly file: string;
  readonly format: DumpFormat;
  readonly arch: Architecture;
  readonly bytes: number;
  readonly pageSize: number;
  readonly pages: number;
  /** How many runs of consecutive pages the page map has; 0 for a dump of virtual memory. */
  readonly runs: number;
  readonly processors: number;
  readonly stopCode: { readonly code: string; readonly parameters: readonly string[] } | null;
  readonly complete: boolean;
  readonly problems: readonly DumpProblem[];
  /** Private pages that lie sealed beside the dump. */
  readonly sealed: { readonly pages: number; readonly recipients: readonly string[] } | null;
}

/**
 * Header and page map of a dump file, or of the dump in a crash folder.
 *
 * @throws StopcodeError `archive/no-dump` for a crash without pages, and what opening throws
 */
export async function dumpInfo(path: string): Promise<DumpInfo> {
  const folder = onDisk("looking at the path", path, () => statSync(path)).isDirectory();
  const file = folder ? dumpIn(path) : path;
  const { openDump } = await import("../dumpfile/index.ts");
  const beside = sealedBeside(file);
  const dump = await openDump(file);
  try {
    const { format, arch, bytes, pages, memory, cpus, stopCode, complete, problems } = dump;
    return {
      file,
      format,
      arch,
      bytes,
      pageSize: PAGE_SIZE,
      pages,
      runs: memory.kind === "physical" ? memory.runs().length : 0,
      processors: cpus.length,
      stopCode: stopCode && {
        code: `0x${stopCode.code.toString(16)}`,
        parameters: stopCode.parameters.map((value) => `0x${value.toString(16)}`),
      },
      complete,
      problems: [...problems, ...beside.problems],
      sealed: beside.sealed,
    };
  } finally {
    dump.close();
  }
}

function dumpIn(folder: string): string {
  const { dumpPath, manifest } = openCrash(folder);
  if (dumpPath !== null) return dumpPath;
  throw new StopcodeError("archive/no-dump", `${manifest.partition} left no pages`, {
    where: { file: folder },
    hint: manifest.skipped.map(({ partition, reason }) => `${partition}: ${reason}`).join("; "),
  });
}

/** What the manifest beside a dump says of sealed pages; a manifest that is not sound is a problem, the dump still opens. */
function sealedBeside(file: string): Pick<DumpInfo, "sealed" | "problems"> {
  const none = { sealed: null, problems: [] };
  if (!existsSync(join(dirname(file), MANIFEST))) return none;
  try {
    const { dump, sealed } = openCrash(dirname(file)).manifest;
    if (sealed.length === 0 || dump?.file !== basename(file)) return none;
    const recipients = [...new Set(sealed.flatMap((seal) => seal.recipients))];
    return { sealed: { pages: sealedPages({ sealed }), recipients }, problems: [] };
  } catch (error) {
    if (!(error instanceof StopcodeError)) throw error;
    return { sealed: null, problems: [{ code: "manifest", message: error.message, offset: null }] };
  }
}
