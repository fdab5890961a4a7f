import { address, layout, u32, u64 } from "../../binary/index.ts";

/** Name in ntoskrnl's export directory of the variable that holds the {@link checkRecords} block. */
export const CHECK_RECORDS_EXPORT = "LabCheckRecords";

/** "CHKR", first letter in the lowest byte. */
export const CHECK_RECORDS_SIGNATURE = 0x524b4843;
export const CHECK_RECORDS_VERSION = 3;

/** Checks that a guest kernel can be started with, in the order of their bits in `armedMask`. */
export const KERNEL_CHECKS = [
  "pte-tracking",
  "special-pool",
  "pool-tracking",
  "unload-checks",
  "force-irql",
  "special-pool-start",
  "locked-page-tracking",
  "pte-misuse",
  "dma-remapping",
  "protect-freed-pool",
] as const;

export type KernelCheck = (typeof KERNEL_CHECKS)[number];

/**
 * What the kernel's armed checks have recorded, for whoever reads the dump. All zeros but the signature, the version and the
 * counts of PTEs as long as no check is armed.
 */
// biome-ignore format: a table
export const checkRecords = layout("LAB_CHECK_RECORDS", 0x58, {
  signature:      u32(0x00, "CHKR"),
  version:        u32(0x04, "3"),
  armedMask:      u32(0x08, "bit n: KERNEL_CHECKS[n]"),
  entryCount:     u32(0x0c, "entries in use"),
  totalPtes:      u64(0x10, "system PTEs there are"),
  freePtes:       u64(0x18),
  largestFreeRun: u64(0x20, "PTEs; kept up to date at a failed reservation and at a bug check"),
  entries:        address(0x28, "array of LAB_CHECK_ENTRY, 0 when nothing is tracked"),
  entryCapacity:  u32(0x30),
  usedAtHalf:     u32(0x34, "PTEs in use when half of them came to be; 0: fewer are"),
  specialEligible: u64(0x38, "allocations that were to come from special pool"),
  specialGiven:   u64(0x40, "of these, given a page of their own"),
  halfUsedAt:     u64(0x48, "100 ns since the start, when half of the PTEs came to be in use"),
  wasJudged:      u32(0x50, "1: since then three quarters have come to be, and it was asked who took them"),
});

/** One caller of the system PTE allocator, as PTE tracking counts it. */
// biome-ignore format: a table
export const checkEntry = layout("LAB_CHECK_ENTRY", 0x28, {
  caller:        address(0x00, "return address in the driver"),
  moduleBase:    address(0x08, "base of the image that `caller` lies in"),
  calls:         u32(0x10, "reservations made from here"),
  releasedCalls: u32(0x14, "of these, given back"),
  heldPtes:      u64(0x18),
  heldAtHalf:    u64(0x20, "of these, held when half of all PTEs came to be in use"),
});

/** "LOCK" and "MAPS", first letter in the lowest byte: records that a stop code's parameter points at. */
export const LOCK_RECORD_SIGNATURE = 0x4b434f4c;
export const MAPPING_RECORD_SIGNATURE = 0x5350414d;

/** An MDL whose pages are locked, as locked-page tracking keeps it; parameter 1 of 0xCB. */
// biome-ignore format: a table
export const lockRecord = layout("LAB_LOCK_RECORD", 0x30, {
  signature:     u32(0x00, "LOCK"),
  pages:         u32(0x04),
  mdl:           address(0x08, "0: not in use"),
  process:       address(0x10, "EPROCESS whose pages they are"),
  caller:        address(0x18, "return address in the driver that locked them"),
  callersCaller: address(0x20, "where that function was called from"),
});

/** A run of system PTEs, as level 3 of PTE tracking keeps it; parameter 2 of 0xDA, for the kinds 1 to 5. */
// biome-ignore format: a table
export const mappingRecord = layout("LAB_MAPPING_RECORD", 0x30, {
  signature:     u32(0x00, "MAPS"),
  state:         u32(0x04, "1 mapped, 2 freed"),
  mdl:           address(0x08),
  address:       address(0x10, "where the pages are mapped"),
  startVa:       address(0x18, "of the buffer, as the MDL had it"),
  pages:         u32(0x20),
  firstFrame:    u32(0x24),
  mappedBy:      address(0x28, "return address in the driver"),
});
