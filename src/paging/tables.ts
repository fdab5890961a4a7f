/** Page tables that can be read: 32-bit words, so that a walk meets no bigint. */
export interface TableReader {
  /** The word at a physical address that is a multiple of 4, as a signed 32-bit number. */
  readWord(address: number): number;
}

/** Page tables that can be read and whose accessed and dirty flags can be set. */
export interface TableMemory extends TableReader {
  /** Only ever called to set flags in an entry that was read before. */
  writeWord(address: number, value: number): void;
}
