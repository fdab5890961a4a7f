import type { DumpProblem } from "../dump.ts";
import type { DumpFile } from "../file.ts";
import type { triageDump64 } from "./triage-layouts.ts";

/** A triage dump being read: its file, its index, and where to tell what is wrong. */
export interface TriageSource {
  readonly file: DumpFile;
  readonly index: ReturnType<typeof triageDump64.read>;
  readonly problems: DumpProblem[];
}

/**
 * The bytes of a part as far as the file goes, with a problem when it ends early; null when there is nothing of it.
 * A part at offset 0 is one that the writer left out.
 */
export function readExtent(source: TriageSource, what: string, offset: number, bytes: number): Uint8Array | null {
  if (offset === 0) return null;
  const { file, problems } = source;
  const held = Math.max(0, Math.min(bytes, file.bytes - offset));
  if (held < bytes)
    problems.push({
      code: "truncated",
      message: `${what}: ${bytes} bytes are promised at byte ${offset}, the file holds ${held} of them`,
      offset,
    });
  return held === 0 ? null : file.read(offset, held);
}

/** A structure of a known size, as `layout` declares it. */
interface Table<T> {
  readonly size: number;
  read(bytes: Uint8Array, at: number): T;
}

/** As many entries of a table as the file holds; a count that no file could hold costs nothing. */
export function readEntries<T>(
  source: TriageSource,
  what: string,
  entry: Table<T>,
  offset: number,
  count: number,
): T[] {
  const bytes = readExtent(source, what, offset, count * entry.size);
  if (bytes === null) return [];
  const held = Math.floor(bytes.length / entry.size);
  return Array.from({ length: held }, (_, index) => entry.read(bytes, index * entry.size));
}
