import { PAGE_SIZE, StopcodeError } from "../binary/index.ts";
import type { Dump, DumpProblem } from "./dump.ts";
import { openElf } from "./elf/index.ts";
import { type DumpFile, openDumpFile } from "./file.ts";
import { unpackGzip } from "./gunzip.ts";
import { arrangeFlattened, openKdump } from "./kdump/index.ts";
import { type DumpKind, recognise } from "./kind.ts";
import { openWindowsDump } from "./windows/index.ts";

/**
 * Opens a dump of any kind that is read, told by its first bytes and never by its name. Headers and the page map are
 * read, no pages. A gzip file is unpacked to a temporary file first. `close()` the dump when done with it.
 *
 * @throws StopcodeError `io/open` when the file cannot be opened; `dump/unknown-kind`, `dump/unsupported-kind` or
 *   `dump/empty` when it is no dump; and what the kind's own reader refuses
 */
export async function openDump(path: string): Promise<Dump> {
  const file = openDumpFile(path);
  try {
    const kind = recognise(file, firstBytes(file));
    if (kind !== "gzip") return openKind(kind, file);
    file.close();
  } catch (error) {
    file.close();
    throw error;
  }
  return openPacked(path, file.bytes);
}

const firstBytes = (file: DumpFile) => file.read(0, Math.min(file.bytes, PAGE_SIZE));

function openKind(kind: DumpKind, file: DumpFile): Dump {
  switch (kind) {
    case "windows":
      return openWindowsDump(file);
    case "elf":
      return openElf(file);
    case "kdump":
      return openKdump(file);
    case "flattened":
      return openFlattened(file);
    case "gzip":
      throw new StopcodeError("dump/unsupported-kind", "this is packed with gzip twice", {
        where: { file: file.path, offset: 0 },
        hint: "unpack it first: `gzip -dk FILE`",
      });
  }
}

/** An ELF or kdump dump out of a flattened stream. */
function openFlattened(file: DumpFile): Dump {
  const { file: arranged, problems } = arrangeFlattened(file);
  const inner = recognise(arranged, firstBytes(arranged));
  if (inner !== "elf" && inner !== "kdump")
    throw new StopcodeError("dump/unsupported-kind", `a flattened dump holds ELF or kdump; in this one is: ${inner}`, {
      where: { file: file.path, offset: 0 },
      hint: "put it in order with `makedumpfile -R DUMP < FLATTENED` and look at the result",
    });
  const dump = openKind(inner, arranged);
  return {
    ...withProblems(dump, problems),
    format: inner === "kdump" ? "kdump-flattened" : dump.format,
    bytes: file.bytes,
  };
}

async function openPacked(path: string, packedBytes: number): Promise<Dump> {
  const { file, problems } = await unpackGzip(path, (first) => void recognise({ path, bytes: packedBytes }, first));
  try {
    const dump = openKind(recognise(file, firstBytes(file)), file);
    return { ...withProblems(dump, problems), bytes: packedBytes };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** A dump whose container was damaged too: what is wrong with it comes first. */
function withProblems(dump: Dump, problems: readonly DumpProblem[]): Dump {
  return { ...dump, complete: dump.complete && problems.length === 0, problems: [...problems, ...dump.problems] };
}
