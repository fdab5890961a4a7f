import type { ShadowPageTables } from "../translation/shadow/index.ts";
import { type Armed, standIn } from "./occasion.ts";
import { isLink, type OldEntry, occupiedOf, outdated, putBack } from "./shadow-entries.ts";

type Below = (below: number) => number;

/** After a page was compared with its guest table, an entry that had to go stands again. */
export function staleAfterComparison(
  tables: ShadowPageTables,
  links: boolean,
  below: Below,
  struck: () => void,
): Armed {
  return standIn(tables.ways, "validate", (validate, page, counters) => {
    const before = occupiedOf(tables, page).flatMap((entry) => {
      const old = isLink(tables, entry) === links ? outdated(tables, entry) : null;
      return old === null ? [] : [old];
    });
    validate(page, counters);
    restoreOne(tables, before, below, struck);
  });
}

/** After a page was flushed, the leaf that was taken out stands again, though the guest has another entry there by now. */
export function staleAfterPageFlush(tables: ShadowPageTables, below: Below, struck: () => void): Armed {
  return standIn(tables, "flushPage", (flushPage, pcid, high, low) => {
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

function restoreOne(tables: ShadowPageTables, old: readonly OldEntry[], below: Below, struck: () => void): void {
  if (old.length > 0 && putBack(tables, old[below(old.length)]!)) struck();
}
