import { CR4_LA57, type PagingState, rootOf } from "./control.ts";
import { ENTRY_ACCESSED, ENTRY_DIRTY, tableAddress, tableIndex } from "./entry.ts";
import type { TableMemory } from "./tables.ts";

/**
 * Goes the way of a permitted walk again to set flags: accessed in every entry used, dirty in the leaf when it was a write
 * (paging.md A2, rule 9). A second walk, because it is rare: once a page was touched, its flags stand.
 */
export function setFlags(
  tables: TableMemory,
  state: PagingState,
  high: number,
  low: number,
  leafLevel: number,
  write: boolean,
): void {
  let table = rootOf(state);
  for (let level = (state.cr4 & CR4_LA57) !== 0 ? 5 : 4; level >= leafLevel; level--) {
    const address = table + tableIndex(level, high, low) * 8;
    const entryLow = tables.readWord(address);
    const wanted = entryLow | ENTRY_ACCESSED | (write && level === leafLevel ? ENTRY_DIRTY : 0);
    if (wanted !== entryLow) tables.writeWord(address, wanted);
    table = tableAddress(tables.readWord(address + 4), entryLow);
  }
}
