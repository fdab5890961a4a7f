/**
 * The conditions that kvm-unit-tests' x86/access.c counts through (paging.md A3): 31 bits that say what the entries of one
 * path hold, what kind of access meets them, and how the processor is set. A combination is the OR of such bits.
 */

export const PTE_PRESENT = 2 ** 0;
export const PTE_WRITABLE = 2 ** 1;
export const PTE_USER = 2 ** 2;
export const PTE_ACCESSED = 2 ** 3;
export const PTE_DIRTY = 2 ** 4;
export const PTE_NX = 2 ** 5;
export const PTE_BIT51 = 2 ** 6;
export const PTE_BIT36 = 2 ** 7;
export const PDE_PRESENT = 2 ** 8;
export const PDE_WRITABLE = 2 ** 9;
export const PDE_USER = 2 ** 10;
export const PDE_ACCESSED = 2 ** 11;
export const PDE_DIRTY = 2 ** 12;
/** The directory entry maps a page of 2 MiB; the page table is not used. */
export const PDE_LARGE = 2 ** 13;
export const PDE_NX = 2 ** 14;
export const PDE_BIT51 = 2 ** 15;
export const PDE_BIT36 = 2 ** 16;
/** Part of a large page's address, and to be 0. */
export const PDE_BIT13 = 2 ** 17;
export const PDPTE_READ_ONLY = 2 ** 18;
/** Access-disable and write-disable of the leaf's protection key, in PKRU. */
export const KEY_ACCESS_DISABLE = 2 ** 19;
export const KEY_WRITE_DISABLE = 2 ** 20;
/** The leaf's key is 1, not 0. */
export const KEY_ONE = 2 ** 21;
export const ACCESS_BY_USER = 2 ** 22;
export const ACCESS_IS_WRITE = 2 ** 23;
export const ACCESS_IS_FETCH = 2 ** 24;
/** A supervisor read of the same address goes before. */
export const ACCESS_TWICE = 2 ** 25;
export const EFER_NX = 2 ** 26;
export const CR0_WRITE_PROTECT = 2 ** 27;
export const CR4_SMEP_ON = 2 ** 28;
export const CR4_PKE_ON = 2 ** 29;
/** The access is made by an instruction emulator; there is no other way here, so the bit stays 0. */
export const FORCED_EMULATION = 2 ** 30;

export const CONDITION_COUNT = 31;

const NAMES: readonly string[] = [
  ...["pte.p", "pte.rw", "pte.user", "pte.a", "pte.d", "pte.nx", "pte.51", "pte.36"],
  ...["pde.p", "pde.rw", "pde.user", "pde.a", "pde.d", "pde.pse", "pde.nx", "pde.51", "pde.36", "pde.13"],
  ...["pdpte.ro", "pkru.ad", "pkru.wd", "pkey=1", "user", "write", "fetch", "twice"],
  ...["efer.nx", "cr0.wp", "cr4.smep", "cr4.pke", "fep"],
];

/** A combination in words. */
export function conditionsText(conditions: number): string {
  return NAMES.filter((_, bit) => (conditions & (1 << bit)) !== 0).join(" ") || "nothing set";
}

/** What decides which conditions a processor can meet. */
export interface ProcessorKind {
  readonly maxPhysicalAddressBits: number;
  readonly protectionKeys: boolean;
}

const RESERVED = PTE_BIT51 | PTE_BIT36 | PDE_BIT51 | PDE_BIT36 | PDE_BIT13;
const KEYS = KEY_ACCESS_DISABLE | KEY_WRITE_DISABLE | KEY_ONE | CR4_PKE_ON;

/** Whether a combination is one to be tried on this kind of processor. */
export function isLegal(conditions: number, kind: ProcessorKind): boolean {
  const has = (bits: number) => (conditions & bits) !== 0;
  // SMEP has a scenario of its own: code that runs from the tested tables would stop at it.
  if (has(FORCED_EMULATION | CR4_SMEP_ON)) return false;
  if (has(ACCESS_IS_FETCH) && has(ACCESS_IS_WRITE)) return false;
  if (has(KEYS) && !kind.protectionKeys) return false;
  if (has(KEY_ACCESS_DISABLE | KEY_WRITE_DISABLE) && !has(CR4_PKE_ON)) return false;
  if (has(PDE_BIT13) && !has(PDE_LARGE)) return false;
  // An address bit that the processor has would move the page, and is no condition.
  if (has(PTE_BIT36 | PDE_BIT36) && kind.maxPhysicalAddressBits > 36) return false;
  if (has(PTE_BIT51 | PDE_BIT51) && kind.maxPhysicalAddressBits > 51) return false;
  const reserved = conditions & (has(EFER_NX) ? RESERVED : RESERVED | PTE_NX | PDE_NX);
  return (reserved & (reserved - 1)) === 0;
}

/**
 * Conditions whose legality depends on each other, each group by itself; the first group varies slowest. The processor's
 * own settings vary slowest of all, as in the original: changing them costs more than changing entries.
 */
const GROUPS: readonly (readonly number[])[] = [
  [PTE_NX, PTE_BIT51, PTE_BIT36, PDE_NX, PDE_BIT51, PDE_BIT36, PDE_BIT13, PDE_LARGE, EFER_NX],
  [KEY_ONE, KEY_ACCESS_DISABLE, KEY_WRITE_DISABLE, CR4_PKE_ON],
  [CR0_WRITE_PROTECT],
  [ACCESS_IS_WRITE, ACCESS_IS_FETCH],
  [ACCESS_BY_USER],
  [ACCESS_TWICE],
  [PTE_PRESENT, PTE_WRITABLE, PTE_USER, PTE_ACCESSED, PTE_DIRTY],
  [PDE_PRESENT, PDE_WRITABLE, PDE_USER, PDE_ACCESSED, PDE_DIRTY],
  [PDPTE_READ_ONLY],
];

/** Groups from here on are what changes from one combination to the next; their choices are a table of some thousands. */
const FAST_GROUP = GROUPS.findIndex((group) => group.includes(PTE_PRESENT));

/** All legal combinations of a kind of processor, numbered without a gap. */
export class LegalCombinations {
  readonly count: number;
  readonly #slow: Int32Array;
  readonly #fast: Int32Array;

  constructor(kind: ProcessorKind) {
    const legal = GROUPS.map((group) => subsets(group).filter((bits) => isLegal(bits, kind)));
    this.#slow = Int32Array.from(products(legal.slice(0, FAST_GROUP)));
    this.#fast = Int32Array.from(products(legal.slice(FAST_GROUP)));
    this.count = this.#slow.length * this.#fast.length;
  }

  /** The combination with a number from 0 to `count` - 1. */
  at(index: number): number {
    const fast = this.#fast;
    const slow = Math.floor(index / fast.length);
    return this.#slow[slow]! | fast[index - slow * fast.length]!;
  }
}

/** Every OR of one choice of each group, the last group varying fastest. */
function products(groups: readonly (readonly number[])[]): number[] {
  return groups.reduce<number[]>((sums, group) => sums.flatMap((sum) => group.map((bits) => sum | bits)), [0]);
}

/** Every OR of these bits, the first bit varying fastest. */
function subsets(bits: readonly number[]): number[] {
  return Array.from({ length: 2 ** bits.length }, (_, choice) =>
    bits.reduce((sum, bit, position) => ((choice >> position) & 1 ? sum | bit : sum), 0),
  );
}
