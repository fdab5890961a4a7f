import { hex } from "../../binary/index.ts";
import { tableIndex } from "../../paging/index.ts";
import { standIn } from "../stand-in.ts";
import { ENTRIES } from "../translation/shadow/entry.ts";
import type { ShadowPageTables } from "../translation/shadow/index.ts";
import { type Armed, type Struck, together } from "./occasion.ts";
import { addressOf, isLink, type OldEntry, occupiedOf, outdated, putBack } from "./shadow-entries.ts";

type Below = (below: number) => number;

/**
 * After a page was compared with its guest table, an entry that had to go stands again: not the one that is asked for just now,
 * because that is filled anew at once.
 */
export function staleAfterComparison(tables: ShadowPageTables, links: boolean, below: Below, struck: Struck): Armed {
  let [asked, askedHigh] = [0, 0];
  const lookup = standIn(tables.ways, "lookup", (find, space, root, high, low, counters) => {
    [asked, askedHigh] = [low, high];
    return find(space, root, high, low, counters);
  });
  const validate = standIn(tables.ways, "validate", (compare, page, counters) => {
    const own = page * ENTRIES + tableIndex(tables.pool.level[page]!, askedHigh, asked);
    const before = occupiedOf(tables, page).flatMap((entry) => {
      const old = entry !== own && isLink(tables, entry) === links ? outdated(tables, entry) : null;
      return old === null ? [] : [old];
    });
    compare(page, counters);
    restoreOne(tables, before, below, struck);
  });
  return together([lookup, validate]);
}

/** After a page was flushed, the leaf that was taken out stands again, though the guest has another entry there by now. */
export function staleAfterPageFlush(tables: ShadowPageTables, below: Below, struck: Struck): Armed {
  return standIn(tables.flushes, "page", (flushPage, pcid, high, low) => {
    const dropped: OldEntry[] = [];
    const watch = standIn(tables.pool, "drop", (drop, entry) => {
      const old = outdated(tables, entry);
      if (old !== null) dropped.push(old);
      drop(entry);
    });
    flushPage(pcid, high, low);
    watch.disarm();
    restoreOne(tables, dropped, below, struck);
  });
}

function restoreOne(tables: ShadowPageTables, old: readonly OldEntry[], below: Below, struck: Struck): void {
  if (old.length === 0) return;
  const one = old[below(old.length)]!;
  if (putBack(tables, one)) struck({ guestPhysicalAddress: hex(addressOf(tables, one.entry)) });
}
