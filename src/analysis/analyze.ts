import { StopcodeError } from "../binary/index.ts";
import type { Dump } from "../dumpfile/index.ts";
import { hypervisorNoteOf, openDump } from "../dumpfile/index.ts";
import { bucketOf } from "./bucket.ts";
import type { Facts } from "./facts.ts";
import { linuxFacts } from "./linux/index.ts";
import { dumpFact, isWindows, registerFact, windowsFacts } from "./nt/index.ts";

export interface AnalyzeOptions {
  /** Folders with the crashed Windows machine's image files, for better stacks. */
  readonly images?: readonly string[];
}

/**
 * The facts of a dump file, its bucket included.
 * @throws StopcodeError when the file cannot be opened as a dump; a damaged dump's facts are null where they cannot be had
 */
export async function analyze(path: string, options: AnalyzeOptions = {}): Promise<Facts> {
  const dump = await openDump(path);
  try {
    const facts = await dumpFacts(dump, options);
    return { ...facts, bucket: bucketOf(facts) };
  } finally {
    dump.close();
  }
}

async function dumpFacts(dump: Dump, options: AnalyzeOptions): Promise<Facts> {
  const note = hypervisorNoteOf(dump.notes);
  // Only such a dump needs a hypervisor to be understood: others need not wait for its tables.
  if (note !== null) return (await import("./hypervisor/index.ts")).hypervisorFacts(dump, note);
  if (isWindows(dump)) return windowsFacts(dump, options);
  try {
    return linuxFacts(dump);
  } catch (error) {
    if (error instanceof StopcodeError && error.code === "analysis/not-linux") return unknownFacts(dump);
    throw error;
  }
}

/** A dump in which neither system shows: the private pages of a crash alone, for instance. */
function unknownFacts(dump: Dump): Facts {
  return {
    schema: "stopcode/facts/1",
    dump: dumpFact(dump),
    os: { family: "unknown" },
    machine: { arch: dump.arch, processors: dump.cpus.length || null },
    processors: dump.cpus.map(({ index, registers, source }) => ({
      ...{ index, registers: registerFact(registers), source },
    })),
  };
}
