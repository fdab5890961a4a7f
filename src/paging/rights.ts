import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_IMPLICIT,
  ACCESS_USER,
  ACCESS_WRITE,
  ERROR_KEY,
  ERROR_PRESENT,
} from "./access.ts";
import { CR0_WP, CR4_PKE, CR4_SMAP, CR4_SMEP, type PagingState } from "./control.ts";
import { ENTRY_NO_EXECUTE_HIGH, ENTRY_USER, ENTRY_WRITABLE, KEY_SHIFT_HIGH } from "./entry.ts";

const ACCESS_DISABLE = 1;
const WRITE_DISABLE = 2;

/** True when the access is made at user privilege; an implicit access of the processor never is. */
export function isUserAccess(access: number): boolean {
  return (access & (ACCESS_USER | ACCESS_IMPLICIT)) === ACCESS_USER;
}

/**
 * Whether an access to a mapped page is refused, as the bits it adds to the error code: 0 when it is allowed.
 *
 * @param allowed AND of the lower halves of all entries used (its R/W and U/S are the effective ones)
 * @param forbidden OR of the upper halves of all entries used (its XD is the effective one; with NXE clear it would have
 *   been a reserved bit and the walk would not have come here)
 * @param leafHigh upper half of the leaf entry, which alone holds the protection key
 */
export function refusal(
  state: PagingState,
  access: number,
  allowed: number,
  forbidden: number,
  leafHigh: number,
): number {
  const userPage = (allowed & ENTRY_USER) !== 0;
  const userAccess = isUserAccess(access);
  if (userAccess && !userPage) return ERROR_PRESENT;
  if ((access & ACCESS_FETCH) !== 0) {
    const smepRefuses = userPage && !userAccess && (state.cr4 & CR4_SMEP) !== 0;
    return smepRefuses || (forbidden & ENTRY_NO_EXECUTE_HIGH) !== 0 ? ERROR_PRESENT : 0;
  }
  const mustBeWritable = (access & ACCESS_WRITE) !== 0 && (userAccess || (state.cr0 & CR0_WP) !== 0);
  if (userPage) {
    // The key is named in the error code even where SMAP or R/W would refuse as well.
    if ((state.cr4 & CR4_PKE) !== 0 && keyRefuses(state.pkru, leafHigh, mustBeWritable))
      return ERROR_PRESENT | ERROR_KEY;
    if (!userAccess && smapRefuses(state, access)) return ERROR_PRESENT;
  }
  return mustBeWritable && (allowed & ENTRY_WRITABLE) === 0 ? ERROR_PRESENT : 0;
}

function smapRefuses(state: PagingState, access: number): boolean {
  return (state.cr4 & CR4_SMAP) !== 0 && (access & (ACCESS_AC | ACCESS_IMPLICIT)) !== ACCESS_AC;
}

/** The key's write-disable counts for the very writes that R/W counts for. */
function keyRefuses(pkru: number, leafHigh: number, mustBeWritable: boolean): boolean {
  const key = (leafHigh >>> KEY_SHIFT_HIGH) & 15;
  return ((pkru >>> (key * 2)) & (mustBeWritable ? ACCESS_DISABLE | WRITE_DISABLE : ACCESS_DISABLE)) !== 0;
}
