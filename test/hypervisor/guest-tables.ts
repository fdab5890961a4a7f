import type { GuestPhysicalMemory, VirtualProcessor } from "../../src/hypervisor/index.ts";
import { CR0_PE, CR0_PG, CR0_WP, CR4_PAE, EFER_LME, EFER_NXE } from "../../src/paging/index.ts";

const ROOT = 0x1000;

/** Switches a processor to long mode over four tables at 0x1000-0x4fff, of which only the upper three are filled. */
export function enterLongMode(memory: GuestPhysicalMemory, processor: VirtualProcessor): void {
  for (const table of [0x1000, 0x2000, 0x3000]) memory.writeU64(table, BigInt(table + 0x1000) | 7n);
  const { registers } = processor;
  registers.cr3 = BigInt(ROOT);
  registers.cr4 = BigInt(CR4_PAE);
  registers.efer = BigInt(EFER_LME | EFER_NXE);
  registers.cr0 = BigInt(CR0_PE | CR0_WP | CR0_PG);
}

export const PTE = (page: number) => 0x4000 + page * 8;

/** Maps one of the first 512 linear pages. */
export function map(memory: GuestPhysicalMemory, page: number, frame: number, flags = 3n): void {
  memory.writeU64(PTE(page), (BigInt(frame) << 12n) | flags);
}
