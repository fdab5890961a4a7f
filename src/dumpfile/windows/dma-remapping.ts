import { address, layout, u32 } from "../../binary/index.ts";

/** Name in ntoskrnl's export directory of the variable that holds the {@link dmaRemapping} block. */
export const DMA_REMAPPING_EXPORT = "LabDmaRemapping";

/** Where DMA remapping keeps what it lets devices write to. All zeros while it is not armed. */
// biome-ignore format: a table
export const dmaRemapping = layout("LAB_DMA_REMAPPING", 0x10, {
  mappings: address(0x00, "array of LAB_DMA_MAPPING"),
  capacity: u32(0x08, "mappings that the array has room for: as many as there are page frames"),
});

/** A page that a device may write to, or might write to once. It stands at the place that its frame has, or behind, where that is taken. */
// biome-ignore format: a table
export const dmaMapping = layout("LAB_DMA_MAPPING", 0x20, {
  device:     address(0x00, "DEVICE_OBJECT; 0: never used"),
  frame:      u32(0x08),
  state:      u32(0x0c, "1 mapped, 2 unmapped"),
  mappedBy:   address(0x10, "return address in the driver"),
  unmappedBy: address(0x18, "the same; 0 while it is mapped"),
});
