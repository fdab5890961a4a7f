import { PAGE_SIZE, type PhysicalMemory, type Registers, StopcodeError } from "../../binary/index.ts";
import { CR4_LA57, VirtualMemory } from "../../paging/index.ts";

/** __START_KERNEL_map, and the most that any kernel image takes up behind it (KERNEL_IMAGE_SIZE with KASLR). */
const IMAGE_START = 0xffff_ffff_8000_0000n;
const IMAGE_PAGES = (1 << 30) / PAGE_SIZE;
/** Kernel addresses have these upper bits, with four levels of page tables and with five. */
const KERNEL_HIGH = 0xff00_0000;
const START = Buffer.from("OSRELEASE=");

/**
 * The text of VMCOREINFO in the kernel's own copy, a page of its own. Needed for guests that could not hand the note to
 * their hypervisor. Null when it is nowhere in memory.
 */
export function searchVmcoreInfo(memory: PhysicalMemory, processors: readonly Registers[]): string | null {
  for (const { cr3, cr4 } of processors) {
    const text = cr3 === undefined ? null : searchKernelData(memory, cr3, cr4 ?? 0n);
    if (text !== null) return text;
  }
  return searchAllPages(memory);
}

/**
 * Follows the kernel's variables: vmcoreinfo_data is one of the few that hold the address of a whole page. What can be
 * written of the kernel image is a few MiB, however large the machine.
 */
function searchKernelData(memory: PhysicalMemory, cr3: bigint, cr4: bigint): string | null {
  const levels = cr4 & BigInt(CR4_LA57) ? 5 : 4;
  const tables = new VirtualMemory(memory, { root: Number(cr3 & 0xf_ffff_ffff_f000n), levels });
  const seen = new Set<bigint>();
  for (let n = 0; n < IMAGE_PAGES; n++) {
    const place = tables.translate(IMAGE_START + BigInt(n * PAGE_SIZE));
    const variables = place?.writable ? readPage(memory, Math.floor(place.physical / PAGE_SIZE)) : null;
    for (const address of variables ? pageAddresses(variables) : []) {
      if (seen.has(address)) continue;
      seen.add(address);
      const target = tables.translate(address);
      const text = target && vmcoreInfoIn(memory, Math.floor(target.physical / PAGE_SIZE));
      if (text) return text;
    }
  }
  return null;
}

function pageAddresses(page: Uint8Array): bigint[] {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  const found: bigint[] = [];
  for (let at = 0; at < page.length; at += 8) {
    const isPage = (view.getUint32(at, true) & (PAGE_SIZE - 1)) === 0;
    if (isPage && view.getUint32(at + 4, true) >= KERNEL_HIGH) found.push(view.getBigUint64(at, true));
  }
  return found;
}

function searchAllPages(memory: PhysicalMemory): string | null {
  for (const { firstPage, pageCount } of memory.runs())
    for (let page = firstPage; page < firstPage + pageCount; page++) {
      const text = vmcoreInfoIn(memory, page);
      if (text !== null) return text;
    }
  return null;
}

function vmcoreInfoIn(memory: PhysicalMemory, page: number): string | null {
  const read = readPage(memory, page);
  if (read === null) return null;
  const bytes = Buffer.from(read.buffer, read.byteOffset, read.length);
  if (bytes.compare(START, 0, START.length, 0, START.length) !== 0) return null;
  const end = bytes.indexOf(0);
  const text = bytes.toString("latin1", 0, end < 0 ? PAGE_SIZE : end);
  return text.includes("\nKERNELOFFSET=") ? text : null;
}

/** Null for a page that is absent or damaged: it cannot be the one. */
function readPage(memory: PhysicalMemory, page: number): Uint8Array | null {
  if (memory.pageState(page) !== "present") return null;
  try {
    return memory.read(page * PAGE_SIZE, PAGE_SIZE);
  } catch (error) {
    if (error instanceof StopcodeError) return null;
    throw error;
  }
}
