import { FILLED_AT, WORDS } from "../translation/shadow/entry.ts";
import type { ShadowPageTables } from "../translation/shadow/index.ts";
import { NONE, type ShadowPool } from "../translation/shadow/pool.ts";
import { ROLES } from "../translation/shadow/role.ts";
import { eachSet } from "./sparse.ts";
import { PARTITION_WORDS, type PartitionState } from "./tables.ts";
import { WordRows, wordAt, wordsOf } from "./words.ts";

type ShadowState = Pick<
  PartitionState,
  "spaces" | "roots" | "shadowPages" | "tableFrames" | "shadowEntries" | "mappers"
>;

const ENTRY = PARTITION_WORDS.shadowEntries;
const ROW_WORDS = wordsOf(ENTRY);
const NUMBER = wordAt(ENTRY, "number");
/** The words of a shadow entry follow in the same order, from its translation to when it was filled. */
const COPIED = FILLED_AT + 1;
const FIRST = wordAt(ENTRY, "translation");

const MAPPER = PARTITION_WORDS.mappers;
const MAPPER_WORDS = wordsOf(MAPPER);
const MAPPER_FRAME = wordAt(MAPPER, "guestFrame");
const MAPPER_ENTRY = wordAt(MAPPER, "entry");

/** The shadow tables of a partition; nothing, where it has none. */
export function shadowState(tables: ShadowPageTables | null): ShadowState {
  if (tables === null) {
    const none = new Int32Array(0);
    return { spaces: [], roots: [], shadowPages: [], tableFrames: [], shadowEntries: none, mappers: none };
  }
  const { pool } = tables;
  const spaces = [...tables.spaces];
  return {
    spaces: spaces.map(({ tag, pcid, flushedAt, waysFlushedAt, processors }) => ({
      tag,
      pcid,
      flushedAt,
      waysFlushedAt,
      processors,
    })),
    roots: spaces.flatMap(({ roots }, space) =>
      [...roots].map(([key, page]) => ({ space, page, levels: Math.floor(key / ROLES), role: key % ROLES })),
    ),
    shadowPages: livePages(pool).map((page) => ({
      page,
      validatedAt: pool.validatedAt[page]!,
      source: pool.source[page]!,
      tableWord: pool.tableWord[page]!,
      base: pool.base[page]!,
      role: pool.role[page]!,
      level: pool.level[page]!,
      piece: pool.piece[page]!,
      references: pool.references[page]! >>> 0,
      firstParent: pool.parents[page]!,
    })),
    tableFrames: tableFrames(tables),
    shadowEntries: occupiedEntries(pool),
    mappers: mappers(pool),
  };
}

function livePages(pool: ShadowPool): number[] {
  const pages: number[] = [];
  for (let page = 0; page < pool.live.length; page++) if (pool.live[page] === 1) pages.push(page);
  return pages;
}

function tableFrames({ pool, frames, writes }: ShadowPageTables): ShadowState["tableFrames"] {
  const rows: ShadowState["tableFrames"][number][] = [];
  eachSet(pool.shadows, 0, (guestFrame, shadows) => {
    const hostFrame = frames.map[guestFrame]! >>> 12;
    rows.push({
      guestFrame,
      hostFrame,
      shadows,
      handedOut: writes.handedOut[hostFrame]!,
      wholeWrittenAt: writes.whole[hostFrame]!,
      singleWrittenAt: writes.single[hostFrame]!,
    });
  });
  return rows;
}

function occupiedEntries({ entries, occupied }: ShadowPool): Int32Array {
  let count = 0;
  for (let group = 0; group < occupied.length; group++) count += bitsIn(occupied[group]!);
  const words = new Int32Array(count * ROW_WORDS);
  let at = 0;
  for (let group = 0; group < occupied.length; group++)
    for (let left = occupied[group]!; left !== 0; left &= left - 1) {
      copyEntry(entries, group * 32 + 31 - Math.clz32(left & -left), words, at);
      at += ROW_WORDS;
    }
  return words;
}

function copyEntry(entries: Int32Array, entry: number, words: Int32Array, at: number): void {
  words[at + NUMBER] = entry;
  for (let word = 0; word < COPIED; word++) words[at + FIRST + word] = entries[entry * WORDS + word]!;
}

/** Bits that are set, counted in pairs, in fours, in bytes. */
function bitsIn(word: number): number {
  const pairs = word - ((word >>> 1) & 0x5555_5555);
  const fours = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

function mappers(pool: ShadowPool): Int32Array {
  const rows = new WordRows();
  eachSet(pool.mappers, NONE, (guestFrame, entry) => {
    const at = rows.add(MAPPER_WORDS);
    rows.words[at + MAPPER_FRAME] = guestFrame;
    rows.words[at + MAPPER_ENTRY] = entry;
  });
  return rows.finished();
}
