/** What an access wants: bits to be joined with `|`. A plain supervisor read is 0. */

export const ACCESS_WRITE = 1;
/** Made by code at privilege level 3. */
export const ACCESS_USER = 2;
export const ACCESS_FETCH = 4;
/** Made by the processor itself, of a descriptor table or task state: a supervisor access whatever the privilege level. */
export const ACCESS_IMPLICIT = 8;
/** RFLAGS.AC is set. */
export const ACCESS_AC = 16;

/** The walk succeeded. */
export const FAULT_NONE = 0;
/** #PF with the walker's `errorCode`; CR2 gets the address. */
export const FAULT_PAGE = 1;
/** #GP(0): the address is not canonical, so paging was never asked. */
export const FAULT_GENERAL_PROTECTION = 2;
export type Fault = typeof FAULT_NONE | typeof FAULT_PAGE | typeof FAULT_GENERAL_PROTECTION;

/** Bits of a page fault's error code (Intel SDM volume 3A, section 4.7). */
export const ERROR_PRESENT = 1 << 0;
export const ERROR_WRITE = 1 << 1;
export const ERROR_USER = 1 << 2;
export const ERROR_RESERVED = 1 << 3;
export const ERROR_FETCH = 1 << 4;
export const ERROR_KEY = 1 << 5;
