import type { Partition } from "../partition.ts";
import {
  CHILD_SHIFT,
  ENTRIES,
  GUEST_FLAGS,
  GUEST_HIGH,
  GUEST_LOW,
  LINK,
  PENDING,
  QUEUED,
  STATE,
  TABLE,
  WORDS,
} from "../translation/shadow/entry.ts";
import type { ShadowPageTables } from "../translation/shadow/index.ts";
import { ROLE_DIRECT } from "../translation/shadow/role.ts";

/** A shadow entry as it stood, to be put back. */
export interface OldEntry {
  readonly entry: number;
  readonly words: readonly number[];
  readonly guestFrame: number;
}

export function isLink({ pool }: ShadowPageTables, entry: number): boolean {
  return (pool.entries[entry * WORDS + STATE]! & LINK) !== 0;
}

/** Guest physical address of the page that a leaf maps; of a link, of the guest's entry behind it. */
export function addressOf(tables: ShadowPageTables, entry: number): number {
  const { pool } = tables;
  return isLink(tables, entry) ? pool.guestEntry(entry) : pool.guestFrame(entry) * 4096;
}

export function occupiedOf({ pool }: ShadowPageTables, page: number): number[] {
  const entries: number[] = [];
  for (let entry = page * ENTRIES; entry < (page + 1) * ENTRIES; entry++)
    if ((pool.occupied[entry >>> 5]! & (1 << (entry & 31))) !== 0) entries.push(entry);
  return entries;
}

/** An entry whose guest entry has been changed since; null where it has not, or where the entry stands for a piece. */
export function outdated(tables: ShadowPageTables, entry: number): OldEntry | null {
  const { pool, frames } = tables;
  const page = entry >>> 9;
  if ((pool.role[page]! & ROLE_DIRECT) !== 0 || (pool.occupied[entry >>> 5]! & (1 << (entry & 31))) === 0) return null;
  const at = entry * WORDS;
  const word = pool.tableWord[page]! + (entry & (ENTRIES - 1)) * 2;
  const same =
    ((pool.entries[at + GUEST_LOW]! ^ frames.words[word]!) & ~GUEST_FLAGS) === 0 &&
    pool.entries[at + GUEST_HIGH] === frames.words[word + 1];
  if (same) return null;
  const words = [...pool.entries.subarray(at, at + WORDS)];
  return { entry, words, guestFrame: isLink(tables, entry) ? 0 : pool.guestFrame(entry) };
}

/** Puts an entry back where nothing is now. @returns whether there was room for it and what it led to is still there */
export function putBack({ pool }: ShadowPageTables, { entry, words, guestFrame }: OldEntry): boolean {
  const at = entry * WORDS;
  const state = words[STATE]!;
  if ((pool.occupied[entry >>> 5]! & (1 << (entry & 31))) !== 0 || pool.live[entry >>> 9] !== 1) return false;
  if ((state & LINK) !== 0) {
    const child = state >>> CHILD_SHIFT;
    if (pool.live[child] !== 1) return false;
    pool.setLink(entry, child);
    pool.entries[at + GUEST_LOW] = words[GUEST_LOW]!;
    pool.entries[at + GUEST_HIGH] = words[GUEST_HIGH]!;
    return true;
  }
  const kept = state & ~(PENDING | QUEUED | TABLE);
  pool.setLeaf(entry, guestFrame, words[0]!, kept, words[GUEST_LOW]!, words[GUEST_HIGH]!);
  return true;
}

/** Partitions that run on shadow tables, with them. */
export function shadowed(partitions: readonly Partition[]): { partition: Partition; tables: ShadowPageTables }[] {
  return partitions.flatMap((partition) =>
    partition.shadowTables === null ? [] : [{ partition, tables: partition.shadowTables }],
  );
}
