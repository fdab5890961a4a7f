import { address, layout, u32, u64 } from "../../binary/index.ts";

/** Name in ntoskrnl's export directory of the variable that holds the {@link checkRecords} block. */
export const CHECK_RECORDS_EXPORT = "LabCheckRecords";

/** "CHKR", first letter in the lowest byte. */
export const CHECK_RECORDS_SIGNATURE = 0x524b4843;
export const CHECK_RECORDS_VERSION = 2;

/** Checks that a guest kernel can be started with, in the order of their bits in `armedMask`. */
export const KERNEL_CHECKS = [
  "pte-tracking",
  "special-pool",
  "pool-tracking",
  "unload-checks",
  "force-irql",
  "special-pool-start",
] as const;

export type KernelCheck = (typeof KERNEL_CHECKS)[number];

/**
 * What the kernel's armed checks have recorded, for whoever reads the dump. All zeros but the signature, the version and the
 * counts of PTEs as long as no check is armed.
 */
// biome-ignore format: a table
export const checkRecords = layout("LAB_CHECK_RECORDS", 0x48, {
  signature:      u32(0x00, "CHKR"),
  version:        u32(0x04, "2"),
  armedMask:      u32(0x08, "bit n: KERNEL_CHECKS[n]"),
  entryCount:     u32(0x0c, "entries in use"),
  totalPtes:      u64(0x10, "system PTEs there are"),
  freePtes:       u64(0x18),
  largestFreeRun: u64(0x20, "PTEs; kept up to date at a failed reservation and at a bug check"),
  entries:        address(0x28, "array of LAB_CHECK_ENTRY, 0 when nothing is tracked"),
  entryCapacity:  u32(0x30),
  specialEligible: u64(0x38, "allocations that were to come from special pool"),
  specialGiven:   u64(0x40, "of these, given a page of their own"),
});

/** One caller of the system PTE allocator, as PTE tracking counts it. */
// biome-ignore format: a table
export const checkEntry = layout("LAB_CHECK_ENTRY", 0x20, {
  caller:        address(0x00, "return address in the driver"),
  moduleBase:    address(0x08, "base of the image that `caller` lies in"),
  calls:         u32(0x10, "reservations made from here"),
  releasedCalls: u32(0x14, "of these, given back"),
  heldPtes:      u64(0x18),
});
