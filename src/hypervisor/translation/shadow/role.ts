import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_IMPLICIT,
  ACCESS_USER,
  ACCESS_WRITE,
  CR0_WP,
  CR4_PKE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_NXE,
  ENTRY_GLOBAL,
  ENTRY_NO_EXECUTE_HIGH,
  ENTRY_USER,
  ENTRY_WRITABLE,
  type PagingState,
} from "../../../paging/index.ts";
import { MAP_EXECUTE, MAP_WRITE } from "../../frame-map.ts";
import { GLOBAL, KEYED } from "./entry.ts";

/**
 * The role of a shadow page: all that decides what its entries allow besides the guest's entries themselves. The rights are
 * those of the entries above it, so one guest table that is reached with different rights has a shadow page for each.
 */
export const ROLE_USER = 1 << 0;
export const ROLE_WRITABLE = 1 << 1;
export const ROLE_NO_EXECUTE = 1 << 2;
export const ROLE_NXE = 1 << 3;
export const ROLE_WP = 1 << 4;
export const ROLE_SMEP = 1 << 5;
export const ROLE_SMAP = 1 << 6;
export const ROLE_PKE = 1 << 7;
/** The page holds pieces of one large guest page: there is no guest table behind it. */
export const ROLE_DIRECT = 1 << 8;
export const ROLES = 1 << 9;

/** Protection keys are on, and this is a user page. */
export const ROLE_KEYED = ROLE_PKE | ROLE_USER;
const KEY_SHIFT_HIGH = 27;

const RIGHTS = ROLE_DIRECT - 1;
const USER_PAGE_RULES = ROLE_SMEP | ROLE_SMAP | ROLE_PKE;

/** The role of a topmost table under these control registers. */
export function rootRole(state: Readonly<PagingState>): number {
  return (
    ROLE_USER |
    ROLE_WRITABLE |
    ((state.efer & EFER_NXE) !== 0 ? ROLE_NXE : 0) |
    ((state.cr0 & CR0_WP) !== 0 ? ROLE_WP : 0) |
    ((state.cr4 & CR4_SMEP) !== 0 ? ROLE_SMEP : 0) |
    ((state.cr4 & CR4_SMAP) !== 0 ? ROLE_SMAP : 0) |
    ((state.cr4 & CR4_PKE) !== 0 ? ROLE_PKE : 0)
  );
}

/** What is left of a role below this entry. Rules about user pages leave with the last user page, so roles meet again. */
export function narrowed(role: number, guestLow: number, guestHigh: number): number {
  let rest = role;
  if ((guestLow & ENTRY_USER) === 0) rest &= ~(ROLE_USER | USER_PAGE_RULES);
  if ((guestLow & ENTRY_WRITABLE) === 0) rest &= ~ROLE_WRITABLE;
  if ((guestHigh & ENTRY_NO_EXECUTE_HIGH) !== 0) rest |= ROLE_NO_EXECUTE;
  return rest;
}

/** What the state of a leaf's entry says of the page. @param role narrowed by the leaf as well */
export function pageState(guestLow: number, role: number): number {
  return ((guestLow & ENTRY_GLOBAL) !== 0 ? GLOBAL : 0) | ((role & ROLE_KEYED) === ROLE_KEYED ? KEYED : 0);
}

const READ = 0;
const WRITE = 1;
const FETCH = 2;
const USER = 0;
const SUPERVISOR = 1;
const SUPERVISOR_AC = 2;
const PROCESSOR = 3;
const BY = [USER, SUPERVISOR, SUPERVISOR_AC, PROCESSOR];
const KINDS = [READ, WRITE, FETCH];

const accessBit = (by: number, kind: number) => 1 << (by * 3 + kind);
const ofKind = (kind: number) => BY.reduce((bits, by) => bits | accessBit(by, kind), 0);

export const READS = ofKind(READ);
export const WRITES = ofKind(WRITE);
export const FETCHES = ofKind(FETCH);
export const EVERY_ACCESS = READS | WRITES | FETCHES;

/**
 * For each combination of `ACCESS_…` bits, the bit of the twelve allowed accesses that it needs: read, write or fetch, by
 * user, supervisor, supervisor with AC, or processor. A fetch that writes is none of them: 0, which nothing allows.
 */
export const ACCESS_BIT = Int32Array.from({ length: 32 }, (_, access) => {
  const kind = (access & ACCESS_FETCH) !== 0 ? FETCH : (access & ACCESS_WRITE) !== 0 ? WRITE : READ;
  if (kind === FETCH && (access & ACCESS_WRITE) !== 0) return 0;
  if ((access & ACCESS_IMPLICIT) !== 0) return accessBit(PROCESSOR, kind);
  if ((access & ACCESS_USER) !== 0) return accessBit(USER, kind);
  return accessBit((access & ACCESS_AC) !== 0 ? SUPERVISOR_AC : SUPERVISOR, kind);
});

const ALLOWED = Int32Array.from({ length: ROLE_DIRECT }, (_, role) => {
  let bits = 0;
  for (const by of BY) for (const kind of KINDS) if (allows(role, by, kind)) bits |= accessBit(by, kind);
  return bits;
});

/** Accesses that a page allows, keys apart (paging.md A2, rules 5 to 7). @param role narrowed by the leaf as well */
export function allowedAccesses(role: number): number {
  return ALLOWED[role & RIGHTS]!;
}

function allows(role: number, by: number, kind: number): boolean {
  const userPage = (role & ROLE_USER) !== 0;
  if (by === USER && !userPage) return false;
  if (kind === FETCH) {
    const smepRefuses = by !== USER && userPage && (role & ROLE_SMEP) !== 0;
    return (role & ROLE_NO_EXECUTE) === 0 && !smepRefuses;
  }
  if (by !== USER && by !== SUPERVISOR_AC && userPage && (role & ROLE_SMAP) !== 0) return false;
  return kind === READ || (role & ROLE_WRITABLE) !== 0 || (by !== USER && (role & ROLE_WP) === 0);
}

const USER_WRITE = accessBit(USER, WRITE);

/** Accesses that a protection key takes away (rule 8): of user pages under CR4.PKE only. */
function keyRefuses(pkru: number, key: number, writeProtect: boolean): number {
  const rights = (pkru >>> (key * 2)) & 3;
  if ((rights & 1) !== 0) return READS | WRITES;
  if ((rights & 2) === 0) return 0;
  return writeProtect ? WRITES : USER_WRITE;
}

/** Accesses that an entry of the partition's map lets through. */
export function mapAllows(mapEntry: number): number {
  return READS | ((mapEntry & MAP_WRITE) !== 0 ? WRITES : 0) | ((mapEntry & MAP_EXECUTE) !== 0 ? FETCHES : 0);
}

/** Accesses that the protection key in the upper half of a leaf entry takes away. */
export function refusedByKey(state: Readonly<PagingState>, leafHigh: number): number {
  return keyRefuses(state.pkru, (leafHigh >>> KEY_SHIFT_HIGH) & 15, (state.cr0 & CR0_WP) !== 0);
}
