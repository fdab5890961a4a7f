import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Facts } from "../analysis/index.ts";
import { type IncompleteCrash, listCrashes, openCrash } from "../archive/index.ts";
import { StopcodeError } from "../binary/index.ts";
import type { Finding } from "../rules/index.ts";
import { type HistoryFilter, IndexStore } from "./index-store.ts";
import { Journal } from "./journal.ts";
import { type HistoryRow, rowOf } from "./row.ts";

const folderOf = (home: string) => join(home, "history");

/** @throws StopcodeError `history/damaged-file` */
function readJson<T>(path: string): T {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch (cause) {
    throw new StopcodeError("history/damaged-file", `cannot be read: ${(cause as Error).message}`, {
      where: { file: path },
      hint: "`stopcode dump verify` on its folder says what else was changed",
      cause,
    });
  }
}

/** The row of a complete crash folder. @throws StopcodeError when its manifest, facts or findings cannot be read */
function rowOfFolder(folder: string): HistoryRow {
  const { manifest } = openCrash(folder);
  const has = (name: string) => manifest.files.some((file) => file.name === name);
  const facts = has("facts.json") ? readJson<Facts>(join(folder, "facts.json")) : null;
  const findings = has("findings.json")
    ? readJson<{ findings: Finding[] }>(join(folder, "findings.json")).findings
    : [];
  return rowOf(manifest, facts, findings);
}

/** The rows of these folders, and the folders that have none because something in them cannot be read. */
function readable(crashes: readonly { id: string; folder: string }[]): {
  rows: HistoryRow[];
  damaged: IncompleteCrash[];
} {
  const rows: HistoryRow[] = [];
  const damaged: IncompleteCrash[] = [];
  for (const { id, folder } of crashes)
    try {
      rows.push(rowOfFolder(folder));
    } catch (error) {
      if (!(error instanceof StopcodeError)) throw error;
      damaged.push({ id, folder, reason: error.message });
    }
  return { rows, damaged };
}

/** What `rebuild` did. */
export interface Rebuilt {
  readonly rows: number;
  /** Rows the index had whose crash folder is gone. */
  readonly dropped: readonly string[];
  /** Folders without a manifest, or with one that cannot be read: they are left alone. */
  readonly incomplete: readonly IncompleteCrash[];
}

/** The crash history of one home folder. Open, ask or record, close (which saves the index). */
export class CrashHistory {
  private readonly home: string;
  private readonly journal: Journal;
  private index: IndexStore;

  private constructor(home: string, journal: Journal, index: IndexStore) {
    this.home = home;
    this.journal = journal;
    this.index = index;
  }

  static async open(home: string): Promise<CrashHistory> {
    const journal = new Journal(folderOf(home));
    const history = new CrashHistory(home, journal, await IndexStore.open(folderOf(home), journal));
    history.adopt();
    return history;
  }

  /** Records crash folders that are whole but unknown: whoever wrote them was killed before the journal had its line. */
  private adopt(): void {
    const known = this.index.ids();
    const unknown = listCrashes(this.home).complete.filter(({ id }) => !known.has(id));
    for (const row of readable(unknown).rows) this.journal.append(row);
    this.index.catchUp(this.journal);
  }

  /** Acknowledges a crash: when this returns, its row is on the disk. */
  record(row: HistoryRow): void {
    this.journal.append(row);
    this.index.catchUp(this.journal);
  }

  list(filter: HistoryFilter = {}): HistoryRow[] {
    return this.index.list(filter);
  }

  /** One crash by its id or the beginning of it. @throws StopcodeError `history/unknown-crash`, `history/ambiguous-crash` */
  find(id: string): { readonly row: HistoryRow; readonly folder: string } {
    const [row, ...others] = this.index.startingWith(id);
    if (!row)
      throw new StopcodeError("history/unknown-crash", `no crash is recorded under ${id}`, {
        where: { file: this.home },
        hint: "`stopcode history list` shows the ids; the beginning of one is enough",
      });
    if (others.length > 0 && row.id !== id)
      throw new StopcodeError("history/ambiguous-crash", `${others.length + 1} crashes begin with ${id}`, {
        where: { file: this.home },
        hint: `type more of it: ${[row, ...others].map((other) => other.id).join(", ")}`,
      });
    return { row, folder: join(this.home, row.id) };
  }

  /** Makes journal and index again from the crash folders alone. */
  async rebuild(): Promise<Rebuilt> {
    const before = this.index.ids();
    const { complete, incomplete } = listCrashes(this.home);
    const { rows, damaged } = readable(complete);
    this.journal.write(rows);
    this.index.catchUp(this.journal);
    const now = this.index.ids();
    const dropped = [...before].filter((id) => !now.has(id));
    return { rows: rows.length, dropped, incomplete: [...incomplete, ...damaged] };
  }

  close(): void {
    try {
      this.index.save();
    } catch {
      // A full or read-only disk: the journal has every row, and the next opening reads it from there.
    }
    this.index.close();
  }
}

/** Rebuilds a history whose journal or index can no longer be opened. */
export async function rebuildHistory(home: string): Promise<Rebuilt> {
  const journal = new Journal(folderOf(home));
  try {
    journal.read();
  } catch (error) {
    if (!(error instanceof StopcodeError)) throw error;
    journal.write([]);
  }
  const history = await CrashHistory.open(home);
  try {
    return await history.rebuild();
  } finally {
    history.close();
  }
}
