import { ENTRY_NO_EXECUTE_HIGH, ENTRY_USER, ENTRY_WRITABLE } from "../../paging/index.ts";
import { MAP_EXECUTE, MAP_WRITE } from "../frame-map.ts";
import {
  ROLE_NO_EXECUTE,
  ROLE_PKE,
  ROLE_SMAP,
  ROLE_SMEP,
  ROLE_USER,
  ROLE_WP,
  ROLE_WRITABLE,
} from "../translation/shadow/role.ts";

/**
 * What a shadow entry may allow, worked out from paging.md A2, rules 5 to 7, and not as the shadow tables do it: this is what
 * they are checked by.
 */

/** Allowed accesses of a shadow entry (entry.ts): three bits each of user, supervisor, supervisor with AC, processor. */
const USER_SHIFT = 0;
const SUPERVISOR_SHIFTS = [3, 6, 9];
const WITH_AC_SHIFT = 6;
const READ = 1;
const WRITE = 2;
const FETCH = 4;
const EVERYONE = 0o1111;

export const READS = READ * EVERYONE;
export const WRITES = WRITE * EVERYONE;
export const FETCHES = FETCH * EVERYONE;

/** The role below an entry: R/W and U/S of all entries ANDed, XD ORed; what rules only user pages ends with the last of them. */
export function roleBelow(role: number, low: number, high: number): number {
  const user = (role & ROLE_USER) !== 0 && (low & ENTRY_USER) !== 0;
  const writable = (role & ROLE_WRITABLE) !== 0 && (low & ENTRY_WRITABLE) !== 0;
  const noExecute = (role & ROLE_NO_EXECUTE) !== 0 || (high & ENTRY_NO_EXECUTE_HIGH) !== 0;
  const rest = role & ~(ROLE_USER | ROLE_WRITABLE | ROLE_NO_EXECUTE);
  return (
    (user ? rest | ROLE_USER : rest & ~(ROLE_SMEP | ROLE_SMAP | ROLE_PKE)) |
    (writable ? ROLE_WRITABLE : 0) |
    (noExecute ? ROLE_NO_EXECUTE : 0)
  );
}

/** Accesses that a page of these rights allows, protection keys apart. @param role with the leaf's own rights in it */
export function accessesOf(role: number): number {
  const has = (bit: number) => (role & bit) !== 0;
  const executable = !has(ROLE_NO_EXECUTE);
  let allowed = 0;
  if (has(ROLE_USER)) allowed |= (READ | (has(ROLE_WRITABLE) ? WRITE : 0) | (executable ? FETCH : 0)) << USER_SHIFT;
  for (const shift of SUPERVISOR_SHIFTS) {
    const barred = has(ROLE_USER) && has(ROLE_SMAP) && shift !== WITH_AC_SHIFT;
    if (!barred) allowed |= (READ | (has(ROLE_WRITABLE) || !has(ROLE_WP) ? WRITE : 0)) << shift;
    if (executable && !(has(ROLE_USER) && has(ROLE_SMEP))) allowed |= FETCH << shift;
  }
  return allowed;
}

/** Accesses that a partition's map lets through. */
export function accessesOfMap(mapEntry: number): number {
  return READS | ((mapEntry & MAP_WRITE) !== 0 ? WRITES : 0) | ((mapEntry & MAP_EXECUTE) !== 0 ? FETCHES : 0);
}
