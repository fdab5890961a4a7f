import { StopcodeError } from "../binary/index.ts";

/**
 * Bits of a paging-structure entry, as two 32-bit halves (Intel SDM volume 3A, tables 4-14 to 4-20).
 * Halves are signed 32-bit numbers, as `Int32Array` hands them out.
 */

export const ENTRY_PRESENT = 1 << 0;
export const ENTRY_WRITABLE = 1 << 1;
export const ENTRY_USER = 1 << 2;
export const ENTRY_ACCESSED = 1 << 5;
/** Leaf entries only. */
export const ENTRY_DIRTY = 1 << 6;
/** PS: the entry maps a large page. In a page-table entry the same bit is PAT. */
export const ENTRY_LARGE = 1 << 7;
export const ENTRY_GLOBAL = 1 << 8;

/** In the upper half: bit 63. */
export const ENTRY_NO_EXECUTE_HIGH = 1 << 31;
/** In the upper half: bits 62:59, the protection key. */
export const KEY_SHIFT_HIGH = 27;

/** In the lower half: bits 31:12 of the address. */
export const ADDRESS_LOW = ~0xfff;
/** In the upper half: bits 51:32 of the address. */
export const ADDRESS_HIGH = 0xf_ffff;

/** Levels count from the leaf: 1 page table, 2 page directory, 3 page-directory pointers, 4 PML4, 5 PML5. */
export const PAGE_TABLE = 1;
export const PAGE_DIRECTORY = 2;
export const DIRECTORY_POINTERS = 3;

const LARGE_2M_RESERVED = 0x001f_e000; // bits 20:13
const LARGE_1G_RESERVED = 0x3fff_e000; // bits 29:13

/** Which of the 512 entries of a table of this level an address uses. */
export function tableIndex(level: number, high: number, low: number): number {
  switch (level) {
    case 1:
      return (low >>> 12) & 511;
    case 2:
      return (low >>> 21) & 511;
    case 3:
      return ((low >>> 30) | (high << 2)) & 511;
    case 4:
      return (high >>> 7) & 511;
    default:
      return (high >>> 16) & 511;
  }
}

/** Reserved bits of the lower half of a present entry: what PS may not be, and what a large page's address may not hold. */
export function reservedLow(level: number, entryLow: number, gigabytePages: boolean): number {
  if (level === PAGE_TABLE || (entryLow & ENTRY_LARGE) === 0) return 0;
  if (level === PAGE_DIRECTORY) return LARGE_2M_RESERVED;
  return level === DIRECTORY_POINTERS && gigabytePages ? LARGE_1G_RESERVED : ENTRY_LARGE;
}

/**
 * Reserved bits of the upper half: address bits that the machine does not have.
 * @throws StopcodeError `paging/address-width` for a width no x86-64 processor has
 */
export function reservedHigh(maxPhysicalAddressBits: number): number {
  if (!Number.isInteger(maxPhysicalAddressBits) || maxPhysicalAddressBits < 32 || maxPhysicalAddressBits > 52)
    throw new StopcodeError(
      "paging/address-width",
      `a physical address has 32 to 52 bits, not ${maxPhysicalAddressBits}`,
    );
  return ADDRESS_HIGH & ~(2 ** (maxPhysicalAddressBits - 32) - 1);
}

/** Physical address of the table that an entry points to. */
export function tableAddress(entryHigh: number, entryLow: number): number {
  return (entryHigh & ADDRESS_HIGH) * 2 ** 32 + ((entryLow & ADDRESS_LOW) >>> 0);
}
