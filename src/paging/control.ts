/**
 * The control bits that steer a walk, where the processor keeps them (Intel SDM volume 3A, section 4.1).
 * All of them lie below bit 32, so control registers are plain numbers here.
 */

export const CR0_PE = 1 << 0;
/** Supervisor writes obey R/W too. */
export const CR0_WP = 1 << 16;
/** Paging is on. */
export const CR0_PG = 0x8000_0000;

export const CR4_PSE = 1 << 4;
export const CR4_PAE = 1 << 5;
/** The G bit of leaf entries counts. */
export const CR4_PGE = 1 << 7;
/** Five levels: linear addresses of 57 bits. */
export const CR4_LA57 = 1 << 12;
/** The low 12 bits of CR3 are a process-context identifier. */
export const CR4_PCIDE = 1 << 17;
/** Supervisor code is not fetched from user pages. */
export const CR4_SMEP = 1 << 20;
/** Supervisor code does not touch user data, unless RFLAGS.AC is set. */
export const CR4_SMAP = 1 << 21;
/** Protection keys for user pages. */
export const CR4_PKE = 1 << 22;

export const EFER_LME = 1 << 8;
export const EFER_LMA = 1 << 10;
/** Bit 63 of an entry means no-execute; without it, the bit is reserved. */
export const EFER_NXE = 1 << 11;

/** RFLAGS.AC: under SMAP, the supervisor's word that it means to touch user data. */
export const RFLAGS_AC = 1 << 18;

/** What a processor brings to a walk: its control registers as numbers. */
export interface PagingState {
  cr0: number;
  /** Physical address of the topmost table; the low 12 bits (PCID, PWT, PCD) are ignored, bit 63 is not kept. */
  cr3: number;
  cr4: number;
  efer: number;
  /** Two bits a protection key, access-disable below write-disable. */
  pkru: number;
}

/** Where the topmost table lies. CR3 may exceed 32 bits; `&` sees its lowest ones, and no others are to go. */
export function rootOf(state: PagingState): number {
  return state.cr3 - (state.cr3 & 0xfff);
}
