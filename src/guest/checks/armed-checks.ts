import { crc32 } from "node:zlib";
import { layout, text, u32 } from "../../binary/index.ts";
import type { KernelCheck } from "../../dumpfile/index.ts";

const SIGNATURE = 0x4d52_4143; // "CARM"
const MOST_CHECKS = 16;
/** Behind the stop-code record. */
const ARMED_CHECKS_AT = 0x100;

const armedChecks = layout("ARMED_CHECKS", 0x0c, {
  signature: u32(0x00, "CARM"),
  count: u32(0x04, "ARMED_CHECK entries, which follow"),
  checksum: u32(0x08, "CRC-32 of the entries"),
});

const armedCheck = layout("ARMED_CHECK", 0x60, {
  check: text(0x00, 0x20),
  target: text(0x20, 0x40, "a driver or a pool tag; empty for the whole system"),
});

/** A check to be applied when the kernel starts, before drivers load. */
export interface CheckRequest {
  readonly check: string;
  readonly target: string | null;
}

/** A check that this kernel has, and whom it is for. */
export interface ArmedKernelCheck extends CheckRequest {
  readonly check: KernelCheck;
}

/** Whether a check is armed for an image: by its name, in whatever case, or for all. */
export const isCheckedFor = (armed: readonly ArmedKernelCheck[], check: KernelCheck, image: string): boolean =>
  armed.some((one) => one.check === check && (one.target === null || one.target.toLowerCase() === image.toLowerCase()));

/**
 * What a kernel does by itself about a stop code that its last start left: the checks it switches on (systems.md 6.1).
 * The table is handed to it at start, so that it needs nobody to diagnose the stop first.
 */
export interface Procedure {
  readonly stopCode: number;
  readonly arm: readonly CheckRequest[];
}

/** All checks of both lists, each once. */
export function joinChecks(first: readonly CheckRequest[], second: readonly CheckRequest[]): readonly CheckRequest[] {
  const isNew = ({ check, target }: CheckRequest) =>
    !first.some((known) => known.check === check && known.target === target);
  return [...first, ...second.filter(isNew)];
}

/** Leaves in non-volatile memory what the next start is to check; what was there before is forgotten. */
export function storeArmedChecks(store: Uint8Array, checks: readonly CheckRequest[]): void {
  const kept = checks.slice(0, MOST_CHECKS);
  kept.forEach(({ check, target }, index) => {
    armedCheck.write(store, entryAt(index), { check, target: target ?? "" });
  });
  armedChecks.write(store, ARMED_CHECKS_AT, {
    signature: SIGNATURE,
    count: kept.length,
    checksum: crc32(store.subarray(entryAt(0), entryAt(kept.length))),
  });
}

/** The checks asked for; none where the entries are damaged. */
export function readArmedChecks(store: Uint8Array): readonly CheckRequest[] {
  const { signature, count, checksum } = armedChecks.read(store, ARMED_CHECKS_AT);
  if (signature !== SIGNATURE || count > MOST_CHECKS) return [];
  if (checksum !== crc32(store.subarray(entryAt(0), entryAt(count)))) return [];
  return Array.from({ length: count }, (_, index) => {
    const { check, target } = armedCheck.read(store, entryAt(index));
    return { check, target: target || null };
  });
}

const entryAt = (index: number) => ARMED_CHECKS_AT + 0x10 + index * armedCheck.size;
