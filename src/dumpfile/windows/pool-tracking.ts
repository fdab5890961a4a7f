import { address, layout, u32, u64 } from "../../binary/index.ts";

/** Name in ntoskrnl's export directory of the variable that holds the {@link poolTracking} block. */
export const POOL_TRACKING_EXPORT = "LabPoolTracking";

/** What pool tracking keeps, for whoever reads the dump. All zeros while it is not armed. */
// biome-ignore format: a table
export const poolTracking = layout("LAB_POOL_TRACKING", 0x20, {
  entries:  address(0x00, "array of LAB_POOL_ENTRY; 0 while pool is not tracked"),
  capacity: u32(0x08, "entries there is room for"),
  inUse:    u32(0x0c, "blocks that are not freed yet"),
  tracked:  u64(0x10, "blocks recorded since the start"),
  missed:   u64(0x18, "blocks not recorded, because the table was full"),
});

/** One block of a tracked driver. An entry lies at the place that the block's address gives, or behind it where that is taken. */
// biome-ignore format: a table
export const poolEntry = layout("LAB_POOL_ENTRY", 0x20, {
  block:   address(0x00, "0: never used; 1: used before"),
  caller:  address(0x08, "return address in the driver"),
  bytes:   u64(0x10, "asked for"),
  poolTag: u32(0x18, "four letters, first in the lowest byte"),
  guarded: u32(0x1c, "1: a LAB_POOL_TRAILER lies behind the block"),
});

/** Behind the last byte of a tracked block of the ordinary pool. */
// biome-ignore format: a table
export const poolTrailer = layout("LAB_POOL_TRAILER", 0x08, {
  entry:     u32(0x0, "which LAB_POOL_ENTRY is the block's"),
  signature: u32(0x4, "PTrk"),
});
export const POOL_TRAILER_SIGNATURE = 0x6b725450;
