import {
  ACCESS_BY_USER,
  ACCESS_IS_FETCH,
  ACCESS_IS_WRITE,
  CR0_WRITE_PROTECT,
  CR4_PKE_ON,
  CR4_SMEP_ON,
  EFER_NX,
  KEY_ACCESS_DISABLE,
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

/** Error code of a page fault (SDM volume 3A, figure 4-12). */
const P = 1;
const WR = 2;
const US = 4;
const RSVD = 8;
const ID = 16;
const PK = 32;

/**
 * What a processor makes of a legal combination of conditions, by the rules of SDM volume 3A, chapter 4 (paging.md A2).
 * It knows conditions only, no entries and no tables; it shares nothing with src/paging.
 */
export class ReferenceModel {
  /** Whether the access ends in a page fault. */
  faults = false;
  /** The fault's error code; 0 without one. */
  errorCode = 0;
  /** The conditions after the access: accessed and dirty flags may have come. */
  after = 0;
  /** Whether the directory's accessed flag may have come although the access faulted (rule 9). */
  directoryMayBeAccessed = false;

  access(conditions: number): void {
    this.after = conditions;
    this.directoryMayBeAccessed = false;
    this.errorCode = this.#walk(conditions);
    this.faults = this.errorCode >= 0;
    if (this.faults) return;
    this.errorCode = 0;
    const write = (conditions & ACCESS_IS_WRITE) !== 0;
    this.after |= PDE_ACCESSED;
    if ((conditions & PDE_LARGE) === 0) this.after |= PTE_ACCESSED | (write ? PTE_DIRTY : 0);
    else if (write) this.after |= PDE_DIRTY;
  }

  /** The error code, or -1 where there is no fault. */
  #walk(conditions: number): number {
    const kind = accessBits(conditions);
    if ((conditions & PDE_PRESENT) === 0) return kind;
    const noExecute = (conditions & EFER_NX) !== 0;
    if ((conditions & (PDE_BIT51 | PDE_BIT36 | PDE_BIT13 | (noExecute ? 0 : PDE_NX))) !== 0) return kind | P | RSVD;
    if ((conditions & PDE_LARGE) === 0) {
      this.directoryMayBeAccessed = true;
      if ((conditions & PTE_PRESENT) === 0) return kind;
      if ((conditions & (PTE_BIT51 | PTE_BIT36 | (noExecute ? 0 : PTE_NX))) !== 0) return kind | P | RSVD;
    }
    return refusalBits(conditions, kind);
  }
}

/** The bits that tell of the access (rule 4): I/D only where fetches can be refused for what they are. */
function accessBits(conditions: number): number {
  const fetchTold = (conditions & ACCESS_IS_FETCH) !== 0 && (conditions & (EFER_NX | CR4_SMEP_ON)) !== 0;
  return (
    ((conditions & ACCESS_IS_WRITE) !== 0 ? WR : 0) |
    ((conditions & ACCESS_BY_USER) !== 0 ? US : 0) |
    (fetchTold ? ID : 0)
  );
}

/** Rules 5 to 8 for a path that is present and sound. */
function refusalBits(conditions: number, kind: number): number {
  const small = (conditions & PDE_LARGE) === 0;
  const all = (pde: number, pte: number) => (conditions & pde) !== 0 && (!small || (conditions & pte) !== 0);
  const userPage = all(PDE_USER, PTE_USER);
  const writable = all(PDE_WRITABLE, PTE_WRITABLE) && (conditions & PDPTE_READ_ONLY) === 0;
  const neverExecute = (conditions & PDE_NX) !== 0 || (small && (conditions & PTE_NX) !== 0);
  const byUser = (conditions & ACCESS_BY_USER) !== 0;
  if (byUser && !userPage) return kind | P;
  if ((conditions & ACCESS_IS_FETCH) !== 0) {
    const smep = (conditions & CR4_SMEP_ON) !== 0 && userPage && !byUser;
    return smep || neverExecute ? kind | P : -1;
  }
  const guardedWrite = (conditions & ACCESS_IS_WRITE) !== 0 && (byUser || (conditions & CR0_WRITE_PROTECT) !== 0);
  if (userPage && (conditions & CR4_PKE_ON) !== 0) {
    if ((conditions & KEY_ACCESS_DISABLE) !== 0) return kind | P | PK;
    if ((conditions & KEY_WRITE_DISABLE) !== 0 && guardedWrite) return kind | P | PK;
  }
  return guardedWrite && !writable ? kind | P : -1;
}
