export * from "./access.ts";
export {
  CR0_PE,
  CR0_PG,
  CR0_WP,
  CR4_LA57,
  CR4_PAE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PKE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  type PagingState,
  RFLAGS_AC,
} from "./control.ts";
export {
  ENTRY_ACCESSED,
  ENTRY_DIRTY,
  ENTRY_GLOBAL,
  ENTRY_LARGE,
  ENTRY_NO_EXECUTE_HIGH,
  ENTRY_PRESENT,
  ENTRY_USER,
  ENTRY_WRITABLE,
  tableIndex,
} from "./entry.ts";
export type { TableMemory, TableReader } from "./tables.ts";
export { type Translation, VirtualMemory } from "./virtual-memory.ts";
export { type PageShift, PageWalker, type PageWalkerOptions } from "./walker.ts";
