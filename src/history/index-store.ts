import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Database, SqlValue } from "sql.js";
import { replaceFile } from "./durable-file.ts";
import type { Journal } from "./journal.ts";
import type { HistoryRow } from "./row.ts";

/** Columns of the index, in the order of `COLUMNS`: the row's field, the column's name and its type. */
const COLUMNS = [
  ["id", "id", "TEXT PRIMARY KEY"],
  ["at", "at", "TEXT NOT NULL"],
  ["host", "host", "TEXT NOT NULL"],
  ["partition", "partition", "TEXT NOT NULL"],
  ["boot", "boot", "INTEGER"],
  ["os", "os", "TEXT"],
  ["stopCode", "stop_code", "TEXT"],
  ["title", "title", "TEXT"],
  ["bucket", "bucket", "TEXT"],
  ["culprit", "culprit", "TEXT"],
  ["verdict", "verdict", "TEXT"],
  ["pages", "pages", "INTEGER"],
  ["sealedPages", "sealed_pages", "INTEGER"],
] as const satisfies readonly (readonly [keyof HistoryRow, string, string])[];

const SCHEMA = `
  CREATE TABLE crash (${COLUMNS.map(([, name, type]) => `${name} ${type}`).join(", ")}) STRICT;
  CREATE INDEX crash_at ON crash (at);
  CREATE INDEX crash_host ON crash (host, at);
  CREATE INDEX crash_bucket ON crash (bucket, at);
  CREATE TABLE journal_position (journal TEXT NOT NULL, position INTEGER NOT NULL) STRICT;
  PRAGMA user_version = 1;
`;

const SELECT = `SELECT ${COLUMNS.map(([field, name]) => `${name} AS "${field}"`).join(", ")} FROM crash`;
const INSERT = `INSERT OR REPLACE INTO crash VALUES (${COLUMNS.map(() => "?").join(", ")})`;

/** What a question about the history may narrow. */
export interface HistoryFilter {
  readonly host?: string | undefined;
  readonly partition?: string | undefined;
  /** As the rows have it: `0x3f`. */
  readonly stopCode?: string | undefined;
  readonly bucket?: string | undefined;
  readonly culprit?: string | undefined;
  /** ISO 8601: from then on. */
  readonly since?: string | undefined;
  readonly limit?: number | undefined;
}

const CONDITIONS: Readonly<Record<Exclude<keyof HistoryFilter, "limit">, string>> = {
  host: "host = ?",
  partition: "partition = ?",
  stopCode: "stop_code = ?",
  bucket: "bucket = ?",
  culprit: "culprit = ?",
  since: "at >= ?",
};

/** The SQLite index over the journal. It is loaded whole, and saved whole by `save`. */
export class IndexStore {
  readonly path: string;
  private readonly database: Database;
  private changed = false;

  private constructor(path: string, database: Database) {
    this.path = path;
    this.database = database;
  }

  /** Opens the index and reads what the journal has that it has not; a missing or damaged index is made anew from it. */
  static async open(folder: string, journal: Journal): Promise<IndexStore> {
    const { default: initSqlJs } = await import("sql.js");
    const sql = await initSqlJs();
    const path = join(folder, "index.sqlite");
    const load = (content?: Uint8Array): IndexStore | null => {
      const database = new sql.Database(content);
      try {
        if (!content) database.run(SCHEMA);
        const version = database.exec("PRAGMA user_version")[0]?.values[0]?.[0];
        if (version === 1) return new IndexStore(path, database);
      } catch {
        // Not a database: the journal has everything.
      }
      database.close();
      return null;
    };
    const store = (existsSync(path) && load(readFileSync(path))) || (load() as IndexStore);
    store.catchUp(journal);
    return store;
  }

  /** Reads what was appended to the journal since; all of it where the journal was written anew. */
  catchUp(journal: Journal): void {
    const [position] = this.select("SELECT journal, position FROM journal_position", []) as {
      journal: string;
      position: number;
    }[];
    let stretch = journal.read(position?.position ?? 0);
    if (position && (stretch.journal !== position.journal || stretch.end < position.position)) {
      this.database.run("DELETE FROM crash");
      stretch = journal.read();
    }
    if (stretch.rows.length === 0 && stretch.journal === (position?.journal ?? "")) return;
    this.database.run("BEGIN");
    for (const row of stretch.rows) this.insert(row);
    this.database.run("DELETE FROM journal_position");
    this.database.run("INSERT INTO journal_position VALUES (?, ?)", [stretch.journal, stretch.end]);
    this.database.run("COMMIT");
    this.changed = true;
  }

  private insert(row: HistoryRow): void {
    this.database.run(
      INSERT,
      COLUMNS.map(([field]) => row[field]),
    );
  }

  private select(query: string, parameters: readonly SqlValue[]): Record<string, SqlValue>[] {
    const statement = this.database.prepare(query, [...parameters]);
    const rows: Record<string, SqlValue>[] = [];
    while (statement.step()) rows.push(statement.getAsObject());
    statement.free();
    return rows;
  }

  /** Newest first. */
  list(filter: HistoryFilter): HistoryRow[] {
    const named = (Object.keys(CONDITIONS) as (keyof typeof CONDITIONS)[]).filter((key) => filter[key] !== undefined);
    const where = named.length === 0 ? "" : ` WHERE ${named.map((key) => CONDITIONS[key]).join(" AND ")}`;
    const parameters = named.map((key) => filter[key] as string);
    return this.select(`${SELECT}${where} ORDER BY at DESC, id DESC LIMIT ?`, [
      ...parameters,
      filter.limit ?? -1,
    ]) as unknown as HistoryRow[];
  }

  /** Rows whose id starts with this text. */
  startingWith(prefix: string): HistoryRow[] {
    return this.select(`${SELECT} WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT 10`, [
      prefix.length,
      prefix,
    ]) as unknown as HistoryRow[];
  }

  ids(): Set<string> {
    return new Set(this.select("SELECT id FROM crash", []).map((row) => row.id as string));
  }

  save(): void {
    if (!this.changed) return;
    mkdirSync(join(this.path, ".."), { recursive: true });
    replaceFile(this.path, this.database.export());
    this.changed = false;
  }

  close(): void {
    this.database.close();
  }
}
