import { address, bytes, layout, u64 } from "../../binary/index.ts";

/** Name in ntoskrnl's export directory of the variable that holds the {@link forcedIrql} block. */
export const FORCED_IRQL_EXPORT = "LabForcedIrql";

/** Processors that the block has room for. */
export const FORCED_IRQL_PROCESSORS = 64;

/** What forced IRQL checking keeps, for whoever reads the dump. All zeros while it is not armed. */
// biome-ignore format: a table
export const forcedIrql = layout("LAB_FORCED_IRQL", 0x220, {
  raises:        u64(0x00, "times that a checked driver raised IRQL to DISPATCH_LEVEL or above"),
  pages:         u64(0x08, "pages taken away at these"),
  pageableStart: address(0x10, "first address of pageable memory"),
  pageableEnd:   address(0x18, "behind its last one"),
  raisedAt:      bytes(0x20, 8 * FORCED_IRQL_PROCESSORS, "for each processor, the return address of the last one there"),
});
