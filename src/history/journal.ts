import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { syncFolder } from "../archive/index.ts";
import { StopcodeError } from "../binary/index.ts";
import { replaceFile } from "./durable-file.ts";
import { type HistoryRow, historyRow } from "./row.ts";

const headLine = z.strictObject({ schema: z.literal("stopcode/journal/1"), journal: z.string() });

/** What a stretch of the journal says, and where it ends. */
export interface JournalStretch {
  /** Names this journal; another name means that it was written anew and everything read before is void. */
  readonly journal: string;
  readonly rows: readonly HistoryRow[];
  /** Byte offset behind the last whole line. A line that was cut off by a crash lies behind it and does not count. */
  readonly end: number;
  /** Whole lines that are not rows: byte offset of each. */
  readonly damaged: readonly number[];
}

const NEWLINE = 0x0a;

/** The append-only record of acknowledged crashes: one JSON document a line, synced before `append` returns. */
export class Journal {
  readonly path: string;
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    this.path = join(folder, "journal.ndjson");
  }

  /** Appends a row and syncs it. @throws StopcodeError `io/journal` */
  append(row: HistoryRow): void {
    try {
      this.create();
      const descriptor = openSync(this.path, "a+");
      try {
        const { size } = fstatSync(descriptor);
        const last = Buffer.alloc(1);
        readSync(descriptor, last, 0, 1, Math.max(0, size - 1));
        // A process that was killed in the middle of a line leaves it without an end: close it, so that it spoils nothing.
        writeSync(descriptor, `${last[0] === NEWLINE ? "" : "\n"}${JSON.stringify(row)}\n`);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    } catch (cause) {
      throw new StopcodeError("io/journal", `cannot record the crash: ${(cause as Error).message}`, {
        where: { file: this.path },
        hint: "the crash folder is whole: make room, then `stopcode history rebuild` records it",
        cause,
      });
    }
  }

  /** Reads from a byte offset (0, or an `end` of before) to the last whole line. */
  read(from = 0): JournalStretch {
    if (!existsSync(this.path)) return { journal: "", rows: [], end: 0, damaged: [] };
    const descriptor = openSync(this.path, "r");
    try {
      const { size } = fstatSync(descriptor);
      const head = Buffer.alloc(Math.min(size, 200));
      readSync(descriptor, head, 0, head.length, 0);
      const firstLine = head.indexOf(NEWLINE) + 1;
      const name = headLine.safeParse(parseLine(head.toString("utf8", 0, Math.max(0, firstLine - 1))));
      if (!name.success)
        throw new StopcodeError("history/bad-journal", "the first line is not a journal's head", {
          where: { file: this.path, offset: 0 },
          hint: "`stopcode history rebuild` writes it anew from the crash folders",
        });
      const start = Math.max(from, firstLine);
      const text = Buffer.alloc(Math.max(0, size - start));
      readSync(descriptor, text, 0, text.length, start);
      return { journal: name.data.journal, ...rowsOf(text, start) };
    } finally {
      closeSync(descriptor);
    }
  }

  /** Writes a new journal with these rows in place of whatever was there. */
  write(rows: readonly HistoryRow[]): void {
    mkdirSync(this.folder, { recursive: true });
    replaceFile(this.path, newJournal(rows));
    syncFolder(this.folder);
  }

  /** Makes an empty journal unless there is one; of two processes that try at once, one wins and none loses a line. */
  private create(): void {
    if (existsSync(this.path)) return;
    mkdirSync(this.folder, { recursive: true });
    const fresh = `${this.path}.${process.pid}.first`;
    replaceFile(fresh, newJournal([]));
    try {
      linkSync(fresh, this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      unlinkSync(fresh);
    }
    syncFolder(this.folder);
  }
}

function newJournal(rows: readonly HistoryRow[]): Buffer {
  const head = { schema: "stopcode/journal/1", journal: randomUUID() };
  return Buffer.from([head, ...rows].map((line) => `${JSON.stringify(line)}\n`).join(""));
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function rowsOf(text: Buffer, start: number): { rows: HistoryRow[]; end: number; damaged: number[] } {
  const rows: HistoryRow[] = [];
  const damaged: number[] = [];
  let at = 0;
  for (let end = text.indexOf(NEWLINE); end >= 0; end = text.indexOf(NEWLINE, at)) {
    const row = historyRow.safeParse(parseLine(text.toString("utf8", at, end)));
    if (row.success) rows.push(row.data);
    else if (end > at) damaged.push(start + at);
    at = end + 1;
  }
  return { rows, end: start + at, damaged };
}
