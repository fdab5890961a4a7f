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

const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, "utf8")) as T;

/** The row of a complete crash folder. @throws StopcodeError when its manifest, facts or findings cannot be read */
export function rowOfFolder(folder: string): HistoryRow {
  const { manifest } = openCrash(folder);
  const has = (name: string) => manifest.files.some((file) => file.name === name);
  const facts = has("facts.json") ? readJson<Facts>(join(folder, "facts.json")) : null;
  const findings = has("findings.json")
    ? readJson<{ findings: Finding[] }>(join(folder, "findings.json")).findings
    : [];
  return rowOf(manifest, facts, findings);
}

/** What `rebuild` did. */
export interface Rebuilt {
  readonly rows: number;
  /** Rows the index had whose crash folder is gone. */
  readonly dropped: readonly string[];
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
    for (const { id, folder } of listCrashes(this.home).complete)
      if (!known.has(id)) this.journal.append(rowOfFolder(folder));
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
    const rows = complete.map(({ folder }) => rowOfFolder(folder)).sort((a, b) => (a.id < b.id ? -1 : 1));
    this.journal.write(rows);
    this.index.catchUp(this.journal);
    const now = this.index.ids();
    return { rows: rows.length, dropped: [...before].filter((id) => !now.has(id)), incomplete };
  }

  close(): void {
    this.index.save();
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
