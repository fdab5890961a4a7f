import {
  CR0_PE,
  CR0_PG,
  CR4_LA57,
  CR4_PAE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PKE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_LME,
  type PagingState,
} from "../paging/index.ts";
import { GeneralProtectionFault } from "./faults.ts";
import { MAX_PHYSICAL_ADDRESS_BITS } from "./frame-map.ts";

/**
 * Which values the guest may load into its control registers, and which INVPCID takes: anything else is #GP(0) and changes
 * nothing (Intel SDM volume 2, MOV to control registers and INVPCID; volume 3A, sections 2.5 and 4.10).
 */

const CR0_NW = 1 << 29;
const CR0_CD = 1 << 30;
const PCID_BITS = 0xfffn;

/** The bits of CR4 that this machine has: below bit 12 all but PSE, PAE and PGE have nothing to do with paging. */
const CR4_KNOWN =
  0xfff | CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | (1 << 16) | CR4_PCIDE | (1 << 18) | CR4_SMEP | CR4_SMAP | CR4_PKE;

/** Bits 62 to MAXPHYADDR of CR3. */
const CR3_RESERVED = (1n << 63n) - (1n << BigInt(MAX_PHYSICAL_ADDRESS_BITS));

export function checkCr0(state: PagingState, value: bigint): void {
  const cr0 = lower(value);
  const paging = (cr0 & CR0_PG) !== 0;
  must(isNarrow(value), value, "has bits that CR0 does not have");
  must((cr0 & CR0_NW) === 0 || (cr0 & CR0_CD) !== 0, value, "sets CR0.NW without CR0.CD");
  must(!paging || (cr0 & CR0_PE) !== 0, value, "turns paging on without protected mode");
  must(paging || (state.cr4 & CR4_PCIDE) === 0, value, "turns paging off while CR4.PCIDE is set");
  const turnsOn = paging && (state.cr0 & CR0_PG) === 0;
  const withoutPae = (state.efer & EFER_LME) !== 0 && (state.cr4 & CR4_PAE) === 0;
  must(!(turnsOn && withoutPae), value, "turns long mode on without CR4.PAE");
}

export function checkCr4(state: PagingState, value: bigint): void {
  const cr4 = lower(value);
  must(isNarrow(value) && (cr4 & ~CR4_KNOWN) === 0, value, "has bits that this machine's CR4 does not have");
  const changed = cr4 ^ state.cr4;
  const longMode = isLongMode(state);
  must(!longMode || (cr4 & CR4_PAE) !== 0, value, "clears CR4.PAE in long mode");
  must(!longMode || (changed & CR4_LA57) === 0, value, "changes CR4.LA57 in long mode");
  if ((changed & cr4 & CR4_PCIDE) === 0) return;
  must(longMode, value, "sets CR4.PCIDE outside long mode");
  must((state.cr3 & 0xfff) === 0, value, "sets CR4.PCIDE while the low 12 bits of CR3 are not 0");
}

export function checkCr3(state: PagingState, value: bigint): void {
  must((value & CR3_RESERVED) === 0n, value, "has address bits that this machine's CR3 does not have");
  const keeps = value >> 63n !== 0n;
  must(!keeps || (state.cr4 & CR4_PCIDE) !== 0, value, "has bit 63 of CR3 set without CR4.PCIDE");
}

export function checkInvpcid(state: PagingState, type: number, pcid: number, address: bigint): void {
  must(type >= 0 && type <= 3, BigInt(type), "is no type of INVPCID");
  must((BigInt(pcid) & ~PCID_BITS) === 0n, BigInt(pcid), "is no process-context identifier");
  const pcidCounts = type === 0 || type === 1;
  must(!pcidCounts || pcid === 0 || (state.cr4 & CR4_PCIDE) !== 0, BigInt(pcid), "is not 0 while CR4.PCIDE is clear");
  must(type !== 0 || isCanonical(state, address), address, "is not a canonical address");
}

export function isCanonical(state: PagingState, address: bigint): boolean {
  const bits = (state.cr4 & CR4_LA57) !== 0 ? 57 : 48;
  return BigInt.asUintN(64, BigInt.asIntN(bits, address)) === BigInt.asUintN(64, address);
}

function isLongMode(state: PagingState): boolean {
  return (state.cr0 & CR0_PG) !== 0 && (state.efer & EFER_LME) !== 0;
}

function isNarrow(value: bigint): boolean {
  return BigInt.asUintN(32, value) === value;
}

function lower(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

function must(allowed: boolean, value: bigint, why: string): void {
  if (!allowed) throw new GeneralProtectionFault(value, why);
}
