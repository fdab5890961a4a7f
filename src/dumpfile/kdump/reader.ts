import { StopcodeError } from "../../binary/index.ts";
import type { Dump, DumpNote, DumpProblem } from "../dump.ts";
import { latin1, parseNotes, vmcoreinfoOf } from "../elf/notes.ts";
import { processorsOf } from "../elf/processors.ts";
import type { DumpFile } from "../file.ts";
import { type KdumpPlan, type Part, readPlan } from "./header.ts";
import { KdumpMemory } from "./memory.ts";
import { PageBitmap } from "./page-bitmap.ts";
import { PageDescriptors } from "./page-descriptors.ts";

/** Notes of 4,096 processors take 4 MiB. */
const MOST_NOTE_BYTES = 64 * 2 ** 20;

/**
 * Opens a kdump-compressed dump of makedumpfile or QEMU: headers, notes and the bitmap of stored pages are read, and
 * the end of the page descriptors, to see whether the file was cut off; if it was, all descriptors.
 * @throws StopcodeError `dump/kdump-split`, `dump/unsupported-…`, `dump/bad-header-field`, or `dump/truncated` when
 *   not even the bitmap is whole
 */
export function openKdump(file: DumpFile): Dump {
  const plan = readPlan(file);
  const problems = [...plan.problems];
  const stored = readBitmap(file, plan);
  const descriptors = new PageDescriptors(file, plan.descriptors, stored.count);
  const whole = descriptors.count === stored.count && !descriptors.reachPast(plan.eraseInfo?.offset ?? file.bytes);
  const readable = whole ? stored : descriptors.readable(stored);
  if (readable.count < stored.count)
    problems.push({
      code: "truncated",
      message: `${stored.count - readable.count} of ${stored.count} pages lie past the end of the file`,
      offset: file.bytes,
    });
  if (plan.markedIncomplete)
    problems.push({
      code: "incomplete",
      message: "makedumpfile marked the dump incomplete: its disk was full or it was stopped",
      offset: null,
    });
  if (plan.arch !== "x86_64")
    problems.push({
      code: "registers-not-read",
      message: `the registers of machine "${plan.kdump.uname.machine}" are not read`,
      offset: null,
    });
  const notes = readNotes(file, plan, problems);
  return {
    file: file.path,
    format: "kdump",
    arch: plan.arch,
    bytes: file.bytes,
    complete: problems.every(({ code }) => code !== "truncated" && code !== "incomplete"),
    memory: new KdumpMemory(file, stored, readable, descriptors),
    pages: stored.count,
    cpus: plan.arch === "x86_64" ? processorsOf(notes) : [],
    notes,
    stopCode: null,
    header: { kind: "kdump", vmcoreinfo: vmcoreinfo(file, plan, notes, problems), kdump: plan.kdump },
    problems,
    close: () => file.close(),
  };
}

function readBitmap(file: DumpFile, { storedBitmap, pages }: KdumpPlan): PageBitmap {
  try {
    return new PageBitmap(file.read(storedBitmap.offset, storedBitmap.bytes), pages);
  } catch (cause) {
    if (!(cause instanceof StopcodeError) || cause.code !== "dump/truncated") throw cause;
    throw new StopcodeError("dump/truncated", `the bitmap of stored pages is cut off: ${cause.message}`, {
      where: { file: file.path, offset: storedBitmap.offset },
      hint: "without it no page can be found: take the dump from its source again",
      cause,
    });
  }
}

function readNotes(file: DumpFile, plan: KdumpPlan, problems: DumpProblem[]): readonly DumpNote[] {
  const data = readPart(file, plan.notes, "notes", problems);
  if (!data || !plan.notes) return [];
  const { notes, damagedAt } = parseNotes(data);
  if (damagedAt !== null)
    problems.push({
      code: "bad-note",
      message: "a note is longer than the space it stands in; the notes from here on are not read",
      offset: plan.notes.offset + damagedAt,
    });
  return notes;
}

/** The text the sub-header points at, or the note of the same name. */
function vmcoreinfo(file: DumpFile, plan: KdumpPlan, notes: readonly DumpNote[], problems: DumpProblem[]) {
  const data = readPart(file, plan.vmcoreinfo, "VMCOREINFO", problems);
  return data ? latin1(data) : vmcoreinfoOf(notes);
}

/** As much of a part as is in the file. */
function readPart(file: DumpFile, part: Part | null, name: string, problems: DumpProblem[]): Uint8Array | null {
  if (part === null) return null;
  const there = Math.max(0, Math.min(part.bytes, file.bytes - part.offset, MOST_NOTE_BYTES));
  if (there < part.bytes)
    problems.push({
      code: part.bytes > MOST_NOTE_BYTES ? "bad-header-field" : "truncated",
      message: `${name}: ${part.bytes} bytes are promised, ${there} can be read`,
      offset: part.offset,
    });
  return there > 0 ? file.read(part.offset, there) : null;
}
