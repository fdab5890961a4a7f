import { layout, u16, u32, u64 } from "../../binary/index.ts";
import type { KernelMemory } from "../memory/kernel-memory.ts";

/** MDL: which page frames a buffer lies in; their numbers follow. Source: Microsoft's public wdm.h documentation. */
export const memoryDescriptorList = layout("MDL", 0x30, {
  next: u64(0x00),
  size: u16(0x08, "bytes, with the frame numbers"),
  mdlFlags: u16(0x0a, "1: mapped to system addresses; 2: pages locked; 4: built for nonpaged pool"),
  process: u64(0x10, "whose pages are locked"),
  mappedSystemVa: u64(0x18),
  startVa: u64(0x20, "of the buffer, rounded down to a page"),
  byteCount: u32(0x28),
  byteOffset: u32(0x2c),
});

/** The frame numbers that an MDL has room for; what stands there before they are filled in is whatever was in the pool. */
export function framesOfMdl({ processor }: KernelMemory, mdl: bigint): number[] {
  const size = processor.readU16(mdl + BigInt(memoryDescriptorList.fields.size.offset));
  return Array.from({ length: (size - memoryDescriptorList.size) / 8 }, (_, page) =>
    processor.readU32(mdl + BigInt(memoryDescriptorList.size + 8 * page)),
  );
}
