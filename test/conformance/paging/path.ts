import { ACCESS_FETCH, ACCESS_USER, ACCESS_WRITE } from "../../../src/paging/index.ts";
import {
  ACCESS_BY_USER,
  ACCESS_IS_FETCH,
  ACCESS_IS_WRITE,
  CR0_WRITE_PROTECT,
  CR4_PKE_ON,
  CR4_SMEP_ON,
  EFER_NX,
  KEY_ACCESS_DISABLE,
  KEY_ONE,
  KEY_WRITE_DISABLE,
  PDE_ACCESSED,
  PDE_BIT13,
  PDE_BIT36,
  PDE_BIT51,
  PDE_DIRTY,
  PDE_LARGE,
  PDE_NX,
  PDE_PRESENT,
  PDE_USER,
  PDE_WRITABLE,
  PDPTE_READ_ONLY,
  PTE_ACCESSED,
  PTE_BIT36,
  PTE_BIT51,
  PTE_DIRTY,
  PTE_NX,
  PTE_PRESENT,
  PTE_USER,
  PTE_WRITABLE,
} from "./conditions.ts";
import type { Levels, Subject } from "./subject.ts";

/**
 * The one path of tables that the conditions are about, and a window onto the tables themselves: the page `n` of memory's
 * first 2 MiB is mapped at `windowHigh(levels):n`, for a supervisor to read and write, as kernels map theirs.
 */

const TOP_5 = 0x1000;
const TOP_4 = 0x2000;
const POINTERS = 0x3000;
const DIRECTORY = 0x4000;
const TABLE = 0x5000;
const WINDOW_POINTERS = 0x6000;
const WINDOW_DIRECTORY = 0x7000;
const WINDOW_TABLE = 0x8000;
/** The first byte that no table of the path lies in. */
export const PATH_END = 0x9000;

/** The linear address that is accessed; every level's index of it differs, and so do the offsets in a small and a large page. */
export const LINEAR_LOW = 0x4aa5_6123;
export const linearHigh = (levels: Levels) => (levels === 5 ? 0x1_1234 : 0x1234);
const POINTERS_INDEX = 0x0d1;
const DIRECTORY_INDEX = 0x055;
const TABLE_INDEX = 0x056;
const TOP_4_INDEX = 0x024;
const TOP_5_INDEX = 0x001;

/** The window lies under the same topmost entry as the path. */
export const windowHigh = (levels: Levels) => (levels === 5 ? 0x1_0280 : 0x280);
const WINDOW_TOP_4_INDEX = 0x005;

export const PDPTE_ADDRESS = POINTERS + 8 * POINTERS_INDEX;
export const PDE_ADDRESS = DIRECTORY + 8 * DIRECTORY_INDEX;
export const PTE_ADDRESS = TABLE + 8 * TABLE_INDEX;

const SMALL_PAGE = 0x1f_3000;
export const LARGE_PAGE = 0x20_0000;
export const SMALL_TARGET = SMALL_PAGE + (LINEAR_LOW & 0xfff);
export const LARGE_TARGET = LARGE_PAGE + (LINEAR_LOW & 0x1f_ffff);

/** Bits of an entry's lower half: present, writable, user, accessed, dirty, page size. */
const P = 0x01;
const W = 0x02;
const U = 0x04;
const A = 0x20;
const D = 0x40;
const PS = 0x80;
const BIT13 = 0x2000;
/** Bits of its upper half. */
const NX = 1 << 31;
const BIT51 = 1 << 19;
const BIT36 = 1 << 4;
const keyBits = (key: number) => key << 27;

/** The first byte that no window reaches. */
export const WINDOW_END = 0x20_0000;

/** The entry of a top table through which an address space has the window. */
export function windowEntry(level: Levels): { index: number; value: number } {
  return level === 5
    ? { index: TOP_5_INDEX, value: TOP_4 | P | W | U | A }
    : { index: WINDOW_TOP_4_INDEX, value: WINDOW_POINTERS | P | W | U | A };
}

/**
 * Lays the tables out whose entries no condition changes, and enters the address space.
 * @param end the first byte that the window does not show: a page that nobody looks at is one more to be kept in step
 * @returns its root
 */
export function layPath(subject: Subject, levels: Levels, end = PATH_END): number {
  const link = (table: number, index: number, low: number) => subject.writeWord(table + 8 * index, low | P | W | U | A);
  link(TOP_5, TOP_5_INDEX, TOP_4);
  link(TOP_4, TOP_4_INDEX, POINTERS);
  link(TOP_4, WINDOW_TOP_4_INDEX, WINDOW_POINTERS);
  link(WINDOW_POINTERS, 0, WINDOW_DIRECTORY);
  link(WINDOW_DIRECTORY, 0, WINDOW_TABLE);
  for (let page = 0; page < end / 0x1000; page++)
    subject.writeWord(WINDOW_TABLE + 8 * page, (page * 0x1000) | P | W | A | D);
  const root = levels === 5 ? TOP_5 : TOP_4;
  subject.setRoot(root, false);
  return root;
}

export function pdpteLow(conditions: number): number {
  return POINTERS_LOW | ((conditions & PDPTE_READ_ONLY) !== 0 ? 0 : W);
}
/** Accessed already: how its flag comes is the same as for the directory's entry. */
const POINTERS_LOW = DIRECTORY | P | U | A;

/**
 * A word for each choice of neighbouring conditions, from bit `first` on: each combination asks for it several times, and to
 * put it together costs as much as a walk.
 */
function tabled(first: number, count: number, word: (conditions: number) => number): (conditions: number) => number {
  const choices = 2 ** count;
  const words = Int32Array.from({ length: choices }, (_, choice) => word(choice << first));
  return (conditions) => words[(conditions >>> first) & (choices - 1)]!;
}

export const pdeLow = tabled(8, 10, (conditions) => {
  let low = (conditions & PDE_LARGE) !== 0 ? LARGE_PAGE | PS : TABLE;
  if ((conditions & PDE_PRESENT) !== 0) low |= P;
  if ((conditions & PDE_WRITABLE) !== 0) low |= W;
  if ((conditions & PDE_USER) !== 0) low |= U;
  if ((conditions & PDE_ACCESSED) !== 0) low |= A;
  if ((conditions & PDE_DIRTY) !== 0) low |= D;
  if ((conditions & PDE_BIT13) !== 0) low |= BIT13;
  return low;
});

export function pdeHigh(conditions: number): number {
  // Above a page table the key means nothing: another one is put there, and PKRU refuses it everything.
  let high = (conditions & KEY_ONE) !== 0 ? keyBits((conditions & PDE_LARGE) !== 0 ? 1 : 2) : 0;
  if ((conditions & PDE_NX) !== 0) high |= NX;
  if ((conditions & PDE_BIT51) !== 0) high |= BIT51;
  if ((conditions & PDE_BIT36) !== 0) high |= BIT36;
  return high;
}

export const pteLow = tabled(0, 8, (conditions) => {
  let low = SMALL_PAGE;
  if ((conditions & PTE_PRESENT) !== 0) low |= P;
  if ((conditions & PTE_WRITABLE) !== 0) low |= W;
  if ((conditions & PTE_USER) !== 0) low |= U;
  if ((conditions & PTE_ACCESSED) !== 0) low |= A;
  if ((conditions & PTE_DIRTY) !== 0) low |= D;
  return low;
});

export function pteHigh(conditions: number): number {
  let high = (conditions & KEY_ONE) !== 0 ? keyBits(1) : 0;
  if ((conditions & PTE_NX) !== 0) high |= NX;
  if ((conditions & PTE_BIT51) !== 0) high |= BIT51;
  if ((conditions & PTE_BIT36) !== 0) high |= BIT36;
  return high;
}

/** Protected mode with paging, physical address extension, long mode; what every combination has. */
const CR0_BASE = 0x8000_0001;
const CR4_BASE = 1 << 5;
const EFER_BASE = (1 << 8) | (1 << 10);

export function cr0(conditions: number): number {
  return (conditions & CR0_WRITE_PROTECT) !== 0 ? CR0_BASE + 0x1_0000 : CR0_BASE;
}

export function cr4(conditions: number, levels: Levels): number {
  let value = levels === 5 ? CR4_BASE | (1 << 12) : CR4_BASE;
  if ((conditions & CR4_SMEP_ON) !== 0) value |= 1 << 20;
  if ((conditions & CR4_PKE_ON) !== 0) value |= 1 << 22;
  return value;
}

export function efer(conditions: number): number {
  return (conditions & EFER_NX) !== 0 ? EFER_BASE | (1 << 11) : EFER_BASE;
}

/** The leaf's key has the rights that the conditions name; every other key has none, and so has the leaf's without CR4.PKE. */
export function pkru(conditions: number): number {
  if ((conditions & CR4_PKE_ON) === 0) return 0xffff_ffff;
  const shift = (conditions & KEY_ONE) !== 0 ? 2 : 0;
  let refused = ~(3 << shift);
  if ((conditions & KEY_ACCESS_DISABLE) !== 0) refused |= 1 << shift;
  if ((conditions & KEY_WRITE_DISABLE) !== 0) refused |= 2 << shift;
  return refused >>> 0;
}

/** `ACCESS_…` bits of the access that the conditions name. */
export function accessOf(conditions: number): number {
  let access = 0;
  if ((conditions & ACCESS_BY_USER) !== 0) access |= ACCESS_USER;
  if ((conditions & ACCESS_IS_WRITE) !== 0) access |= ACCESS_WRITE;
  if ((conditions & ACCESS_IS_FETCH) !== 0) access |= ACCESS_FETCH;
  return access;
}
