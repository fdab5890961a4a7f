import {
  ACCESS_FETCH,
  ACCESS_WRITE,
  ERROR_FETCH,
  ERROR_PRESENT,
  ERROR_RESERVED,
  ERROR_USER,
  ERROR_WRITE,
  FAULT_GENERAL_PROTECTION,
  FAULT_NONE,
  FAULT_PAGE,
  type Fault,
} from "./access.ts";
import { CR4_LA57, CR4_PGE, CR4_SMEP, EFER_NXE, type PagingState, rootOf } from "./control.ts";
import {
  ADDRESS_HIGH,
  ENTRY_ACCESSED,
  ENTRY_DIRTY,
  ENTRY_GLOBAL,
  ENTRY_LARGE,
  ENTRY_NO_EXECUTE_HIGH,
  ENTRY_PRESENT,
  ENTRY_USER,
  ENTRY_WRITABLE,
  PAGE_TABLE,
  reservedHigh,
  reservedLow,
  tableAddress,
  tableIndex,
} from "./entry.ts";
import { setFlags } from "./flags.ts";
import { isUserAccess, refusal } from "./rights.ts";
import type { TableMemory, TableReader } from "./tables.ts";

export interface PageWalkerOptions {
  /** MAXPHYADDR, 32 to 52: address bits from here to 51 are reserved. */
  readonly maxPhysicalAddressBits: number;
  /** Whether the processor has 1 GiB pages; it does unless this is false. */
  readonly gigabytePages?: boolean;
  /** Whether permitted walks set accessed and dirty flags, as a processor does and a debugger must not. */
  readonly setFlags: boolean;
}

export type PageShift = 12 | 21 | 30;

/**
 * Walks x86-64 page tables of four or five levels (Intel SDM volume 3A, chapter 4; paging.md A2, rules 1 to 10).
 *
 * A walk allocates nothing: it returns whether the access is allowed, and its results stand in the fields below until
 * the next walk. A refused walk changes no entry (a processor may leave accessed flags in upper entries; none must).
 */
export class PageWalker {
  /** Byte address that the linear address maps to; valid when `fault` is `FAULT_NONE`, like all fields down to `global`. */
  physicalAddress = 0;
  /** log2 of the page's bytes. */
  pageShift: PageShift = 12;
  /** R/W of all entries used. */
  writable = false;
  /** U/S of all entries used. */
  user = false;
  /** No entry used forbids fetches. */
  executable = false;
  /** The leaf's G, where CR4.PGE makes it count. */
  global = false;

  fault: Fault = FAULT_NONE;
  /** The page fault's error code; 0 without one. */
  errorCode = 0;

  readonly #tables: TableReader;
  readonly #flags: TableMemory | null;
  readonly #gigabytePages: boolean;
  readonly #reservedHigh: number;

  /** @throws StopcodeError `paging/address-width` */
  constructor(tables: TableReader, options: PageWalkerOptions & { readonly setFlags: false });
  constructor(tables: TableMemory, options: PageWalkerOptions);
  constructor(tables: TableMemory, options: PageWalkerOptions) {
    this.#tables = tables;
    this.#flags = options.setFlags ? tables : null;
    this.#gigabytePages = options.gigabytePages ?? true;
    this.#reservedHigh = reservedHigh(options.maxPhysicalAddressBits);
  }

  /**
   * Translates the linear address `high:low` (two 32-bit halves) for an access (`ACCESS_…` bits).
   * @returns true with the translation in the fields; false with `fault` and `errorCode`
   */
  walk(state: PagingState, high: number, low: number, access: number): boolean {
    const fiveLevels = (state.cr4 & CR4_LA57) !== 0;
    const sign = (high | 0) >> (fiveLevels ? 24 : 15);
    if (sign !== 0 && sign !== -1) return this.#refuse(FAULT_GENERAL_PROTECTION, 0);

    const noExecute = (state.efer & EFER_NXE) !== 0;
    const reservedInHigh = noExecute ? this.#reservedHigh : this.#reservedHigh | ENTRY_NO_EXECUTE_HIGH;
    let table = rootOf(state);
    let allowed = -1;
    let forbidden = 0;
    for (let level = fiveLevels ? 5 : 4; ; level--) {
      const address = table + tableIndex(level, high, low) * 8;
      const entryLow = this.#tables.readWord(address);
      if ((entryLow & ENTRY_PRESENT) === 0) return this.#refuse(FAULT_PAGE, accessError(state, access));
      const entryHigh = this.#tables.readWord(address + 4);
      if ((entryHigh & reservedInHigh) !== 0 || (entryLow & reservedLow(level, entryLow, this.#gigabytePages)) !== 0)
        return this.#refuse(FAULT_PAGE, accessError(state, access) | ERROR_PRESENT | ERROR_RESERVED);
      allowed &= entryLow;
      forbidden |= entryHigh;
      if (level === PAGE_TABLE || (entryLow & ENTRY_LARGE) !== 0) {
        const refused = refusal(state, access, allowed, forbidden, entryHigh);
        if (refused !== 0) return this.#refuse(FAULT_PAGE, accessError(state, access) | refused);
        const write = (access & ACCESS_WRITE) !== 0;
        if (this.#flags !== null && ((allowed & ENTRY_ACCESSED) === 0 || (write && (entryLow & ENTRY_DIRTY) === 0)))
          setFlags(this.#flags, state, high, low, level, write);
        return this.#succeed(state, low, level, entryHigh, entryLow, allowed, forbidden);
      }
      table = tableAddress(entryHigh, entryLow);
    }
  }

  #refuse(fault: Fault, errorCode: number): false {
    this.fault = fault;
    this.errorCode = errorCode;
    return false;
  }

  #succeed(
    state: PagingState,
    low: number,
    level: number,
    leafHigh: number,
    leafLow: number,
    allowed: number,
    forbidden: number,
  ): true {
    const shift = level === 1 ? 12 : level === 2 ? 21 : 30;
    const offset = (1 << shift) - 1;
    this.fault = FAULT_NONE;
    this.errorCode = 0;
    this.pageShift = shift;
    this.physicalAddress = (leafHigh & ADDRESS_HIGH) * 2 ** 32 + (((leafLow & ~offset) | (low & offset)) >>> 0);
    this.writable = (allowed & ENTRY_WRITABLE) !== 0;
    this.user = (allowed & ENTRY_USER) !== 0;
    this.executable = (forbidden & ENTRY_NO_EXECUTE_HIGH) === 0;
    this.global = (leafLow & ENTRY_GLOBAL) !== 0 && (state.cr4 & CR4_PGE) !== 0;
    return true;
  }
}

/** The error-code bits that describe the access, whatever it met. */
function accessError(state: PagingState, access: number): number {
  let error = 0;
  if ((access & ACCESS_WRITE) !== 0) error |= ERROR_WRITE;
  if (isUserAccess(access)) error |= ERROR_USER;
  if ((access & ACCESS_FETCH) !== 0 && ((state.efer & EFER_NXE) !== 0 || (state.cr4 & CR4_SMEP) !== 0))
    error |= ERROR_FETCH;
  return error;
}
