import type { Dump } from "../dumpfile/index.ts";
import { openDump } from "../dumpfile/index.ts";
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
    const facts = dumpFacts(dump, options);
    return { ...facts, bucket: bucketOf(facts) };
  } finally {
    dump.close();
  }
}

function dumpFacts(dump: Dump, options: AnalyzeOptions): Facts {
  if (isWindows(dump)) return windowsFacts(dump, options);
  if (isLinux(dump)) return linuxFacts(dump);
  return unknownFacts(dump);
}

const isLinux = (dump: Dump): boolean =>
  dump.header.kind !== "windows" && /^OSRELEASE=/m.test(dump.header.vmcoreinfo ?? "");

/** A dump that does not say what ran in it: a guest without the vmcoreinfo device, for instance. */
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
