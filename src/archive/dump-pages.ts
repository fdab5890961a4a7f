import { PAGE_SIZE, type PageRun, StopcodeError } from "../binary/index.ts";
import type { Dump } from "../dumpfile/index.ts";
import type { Manifest } from "./manifest.ts";
import type { VerifyProblem } from "./problem.ts";
import type { Progress } from "./progress.ts";

const BATCH_PAGES = 256;
/** A dump with a hole has thousands of unreadable pages: the first few tell where, a count tells how many. */
const MOST_LISTED = 20;

/**
 * What is wrong with a dump file: it does not open, its reader found trouble, it was cut off, or it is not the dump that the
 * manifest describes. With `onProgress`, every page that the map promises is read as well.
 *
 * @param name how the file is called in the problems
 */
export async function dumpProblems(
  path: string,
  name: string,
  onProgress: ((progress: Progress) => void) | null,
  expected: Manifest["dump"] = null,
): Promise<VerifyProblem[]> {
  const { openDump } = await import("../dumpfile/index.ts");
  let dump: Dump;
  try {
    dump = await openDump(path);
  } catch (error) {
    if (!(error instanceof StopcodeError)) throw error;
    return [{ code: "dump-unreadable", message: error.message, file: name, offset: error.where.offset ?? null }];
  }
  try {
    const found = [...ownProblems(dump), ...(expected ? surprises(dump, expected) : [])];
    if (onProgress) found.push(...unreadablePages(dump, onProgress));
    return found.map((problem) => ({ ...problem, file: name }));
  } finally {
    dump.close();
  }
}

type DumpTrouble = Omit<VerifyProblem, "file">;

function ownProblems({ problems, complete, bytes }: Dump): DumpTrouble[] {
  if (complete || problems.some((problem) => problem.code === "truncated")) return [...problems];
  return [
    { code: "dump-truncated", message: "the file ends before what its header promises", offset: bytes },
    ...problems,
  ];
}

function surprises(dump: Dump, expected: NonNullable<Manifest["dump"]>): DumpTrouble[] {
  if (dump.format === expected.format && dump.pages === expected.pages) return [];
  const message = `${dump.format} with ${dump.pages} pages, not ${expected.format} with ${expected.pages} as the manifest says`;
  return [{ code: "dump-pages", message, offset: null }];
}

function unreadablePages({ memory }: Dump, onProgress: (progress: Progress) => void): DumpTrouble[] {
  if (memory.kind === "virtual") return [];
  const runs = memory.runs();
  const totalBytes = runs.reduce((sum, run) => sum + run.pageCount, 0) * PAGE_SIZE;
  const problems: DumpTrouble[] = [];
  let unreadable = 0;
  let bytes = 0;
  for (const batch of batches(runs)) {
    for (const trouble of unreadableIn(batch, (page, count) => memory.read(page * PAGE_SIZE, count * PAGE_SIZE))) {
      unreadable++;
      if (problems.length < MOST_LISTED) problems.push(trouble);
    }
    bytes += batch.pageCount * PAGE_SIZE;
    onProgress({ phase: "reading pages", bytes, totalBytes });
  }
  if (unreadable > problems.length)
    problems.push({ code: "page-unreadable", message: `${unreadable - problems.length} more pages`, offset: null });
  return problems;
}

function* batches(runs: readonly PageRun[]): Generator<PageRun> {
  for (const { firstPage, pageCount } of runs)
    for (let done = 0; done < pageCount; done += BATCH_PAGES)
      yield { firstPage: firstPage + done, pageCount: Math.min(BATCH_PAGES, pageCount - done) };
}

/** A batch is read at once; only where that fails, page by page. */
function unreadableIn(
  { firstPage, pageCount }: PageRun,
  read: (page: number, count: number) => unknown,
): DumpTrouble[] {
  const trouble = failure(() => read(firstPage, pageCount));
  if (!trouble) return [];
  if (pageCount === 1)
    return [
      {
        code: "page-unreadable",
        message: `page frame 0x${firstPage.toString(16)}: ${trouble.message}`,
        offset: trouble.where.offset ?? null,
      },
    ];
  return Array.from({ length: pageCount }, (_, index) =>
    unreadableIn({ firstPage: firstPage + index, pageCount: 1 }, read),
  ).flat();
}

function failure(work: () => unknown): StopcodeError | null {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof StopcodeError) return error;
    throw error;
  }
}
