import { address, layout, u8, u32 } from "../../binary/index.ts";

/** Bytes of a unit in `previousSize` and `blockSize`. */
export const POOL_UNIT = 16;

/** POOL_HEADER of a 64-bit kernel, in front of every block from the pools. Source: Microsoft's public symbols, build 19041. */
// biome-ignore format: a table
export const poolHeader = layout("POOL_HEADER", 0x10, {
  previousSize:  u8(0x0, "of the block before, in units of 16 bytes"),
  poolIndex:     u8(0x1),
  blockSize:     u8(0x2, "with this header, in units of 16 bytes"),
  poolType:      u8(0x3, "0: free"),
  poolTag:       u32(0x4, "four letters, first in the lowest byte"),
  processBilled: address(0x8),
});
