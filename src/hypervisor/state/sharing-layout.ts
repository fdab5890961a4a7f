import { layout, size64, text, u32 } from "../../binary/index.ts";

/** A partition's range for shared pages. */
export const rangeRow = layout("TEMPORARY_RANGE", 0x10, {
  owner: u32(0x00, "number of the partition"),
  base: u32(0x04, "guest frame"),
  pages: u32(0x08),
  free: u32(0x0c, "slots that are free, by the range's own count"),
});

/** A page of a partition that others reach, or that still has a slot. */
export const sharedPageRow = layout("SHARED_PAGE", 0x14, {
  owner: u32(0x00),
  page: u32(0x04, "guest frame of the owner"),
  count: u32(0x08, "pending accesses"),
  slot: u32(0x0c, "guest frame in the temporary range; ffffffff for none"),
  slotIsFree: u32(0x10, "1 where the range says that the slot is free"),
});

/** A host frame with pending accesses. */
export const pendingRow = layout("PENDING_ACCESSES", 0x08, {
  hostFrame: u32(0x00),
  count: u32(0x04),
});

/** A transfer that a device knows of. */
export const descriptorRow = layout("DMA_DESCRIPTOR", 0x50, {
  device: text(0x00, 0x40),
  moved: size64(0x40, "bytes"),
  state: u32(0x48, "0 programmed, 1 moving, 2 done, 3 blocked, 4 aborted"),
  direction: u32(0x4c, "0 to the shared pages, 1 from them"),
});

/** A page of a transfer. */
export const transferPageRow = layout("DMA_PAGE", 0x0c, {
  descriptor: u32(0x00, "number of the descriptor's row"),
  sharedFrame: u32(0x04, "host frame"),
  bufferFrame: u32(0x08, "host frame"),
});

/** A page of a request that was granted and has not ended. */
export const requestPageRow = layout("REQUEST_PAGE", 0x14, {
  request: u32(0x00),
  owner: u32(0x04),
  requester: u32(0x08),
  page: u32(0x0c, "guest frame of the owner"),
  descriptor: u32(0x10, "number of the descriptor's row; ffffffff where the device has none"),
});

/** Host frames that DMA may touch: the exclusion vector's clear bits. */
export const openRunRow = layout("OPEN_TO_DMA", 0x08, {
  firstFrame: u32(0x00),
  count: u32(0x04),
});
