import type { Facts } from "../analysis/facts.ts";
import { type FactType, factsType } from "./fact-types.ts";
import { ask, Case, type Outcome } from "./matcher.ts";
import type { Rule } from "./rule.ts";

/** What a rule said, and the facts it read to say it. */
export interface Reading {
  readonly outcome: Outcome;
  /** The same facts without anything that was not read. */
  readonly facts: Record<string, unknown>;
}

/** Lists up to this length are kept as they are: which stop code has four parameters is worth seeing. */
const KEPT = 8;

/**
 * Asks a rule, and keeps of the facts as little as makes it say the same: the fields it read, and of long lists the entries that
 * it cannot do without.
 */
export function readingOf(facts: Facts, rule: Rule): Reading {
  const read = new Map<object, Set<string>>();
  const mark = (record: object, field: string): void => {
    if (!read.has(record)) read.set(record, new Set());
    read.get(record)!.add(field);
  };
  for (const path of rule.requires) markPath(facts, path, mark);
  if (rule.log.length > 0) markLog(facts, mark);
  const about = new Case(facts);
  about.meter.onRead = mark;
  const outcome = ask(rule, about);
  const kept = pruned(facts, factsType, read) as Record<string, unknown>;
  const told = withoutPlaces(outcome);
  shorten(kept, () => withoutPlaces(ask(rule, new Case(kept as unknown as Facts))) === told);
  return { outcome, facts: kept };
}

/** What a rule said, but not where in the log a line stands: with fewer lines it stands elsewhere. */
const withoutPlaces = (outcome: Outcome): string =>
  JSON.stringify(outcome, (key, value: unknown) => (key === "log" ? undefined : value));

/** Patterns read the log as a whole, and not through the metered view. */
function markLog(facts: Facts, mark: (record: object, field: string) => void): void {
  const { log } = facts;
  if (!log) return;
  mark(facts, "log");
  mark(log, "complete");
  mark(log, "records");
  for (const record of log.records) mark(record, "text");
}

function markPath(facts: Facts, path: string, mark: (record: object, field: string) => void): void {
  let value: unknown = facts;
  for (const part of path.split(".")) {
    if (value === null || typeof value !== "object") return;
    mark(value, part);
    value = (value as Record<string, unknown>)[part];
  }
}

function pruned(value: unknown, type: FactType, read: ReadonlyMap<object, ReadonlySet<string>>): unknown {
  if (value === null || value === undefined) return value;
  if (type.kind === "list") return (value as unknown[]).map((element) => pruned(element, type.of, read));
  if (type.kind !== "record") return value;
  const fields = [...type.fields].filter(([name]) => read.get(value)?.has(name));
  return Object.fromEntries(
    fields.flatMap(([name, field]) => {
      const kept = pruned((value as Record<string, unknown>)[name], field, read);
      return kept === undefined || kept === null ? [] : [[name, kept]];
    }),
  );
}

/** Takes entries out of the lists below a record as long as `isSame` says that nothing came of it. */
function shorten(record: Record<string, unknown>, isSame: () => boolean): void {
  for (const [field, value] of Object.entries(record)) {
    if (!Array.isArray(value)) {
      if (isRecord(value)) shorten(value, isSame);
      continue;
    }
    const isEnough = (entries: readonly unknown[]): boolean => {
      const before = record[field];
      record[field] = entries;
      if (isSame()) return true;
      record[field] = before;
      return false;
    };
    if (value.length > KEPT) dropEntries(value, isEnough);
    dropUnread(record[field] as unknown[], isEnough);
    for (const entry of record[field] as unknown[]) if (isRecord(entry)) shorten(entry, isSame);
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === "object" && !Array.isArray(value);

type IsEnough = (entries: readonly unknown[]) => boolean;

/** All, halves, quarters, … single entries: few questions where few entries matter. */
function dropEntries(list: readonly unknown[], isEnough: IsEnough): void {
  let entries = list;
  for (let size = entries.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = Math.max(0, entries.length - size); at >= 0; at -= size) {
      const fewer = [...entries.slice(0, at), ...entries.slice(at + size)];
      if (isEnough(fewer)) entries = fewer;
    }
  }
}

/** Entries at the end of which nothing was read. */
function dropUnread(list: readonly unknown[], isEnough: IsEnough): void {
  let entries = list;
  while (isRecord(entries.at(-1)) && Object.keys(entries.at(-1) as object).length === 0) {
    const fewer = entries.slice(0, -1);
    if (!isEnough(fewer)) return;
    entries = fewer;
  }
}
