import type { VirtualProcessor } from "../../hypervisor/index.ts";
import type { PageTables } from "../memory/page-tables.ts";

/** Control registers as a 64-bit Windows leaves them (Intel SDM volume 3A, section 2.5). */
const CR0 = 0x8005_0033n; // PG AM WP NE ET MP PE
const CR4 = 0x0002_06f8n; // PCIDE OSXMMEXCPT OSFXSR PGE MCE PAE PSE DE
const EFER = 0xd01n; // NXE LMA LME SCE

/** Switches a processor to long mode with the kernel's page tables. */
export function startProcessor({ registers }: VirtualProcessor, tables: PageTables): void {
  registers.cr3 = tables.directoryTableBase;
  registers.cr4 = CR4;
  registers.efer = EFER;
  registers.cr0 = CR0;
}
