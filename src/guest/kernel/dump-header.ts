import { PAGE_SIZE } from "../../binary/index.ts";
import {
  DUMP_HEADER_SIZE,
  DUMP_TYPE,
  dumpHeader64,
  MACHINE,
  PAGE_FILL,
  PAGE_SIGNATURE,
  physicalMemoryRun,
  VALID_DUMP,
} from "../../dumpfile/index.ts";
import type { Kernel } from "./kernel.ts";
import { BUILD_NUMBER } from "./release.ts";

export const DUMP_HEADER_PAGES = DUMP_HEADER_SIZE / PAGE_SIZE;

/** Fills the dump header with all that is known before a stop; what nobody writes keeps the "PAGE" fill. */
export function prepareDumpHeader(kernel: Kernel): void {
  const header = new Uint8Array(DUMP_HEADER_SIZE);
  new Uint32Array(header.buffer).fill(PAGE_FILL);
  const runs = new Uint8Array(dumpHeader64.fields.physicalMemoryRuns.bytes);
  physicalMemoryRun.write(runs, 0, { basePage: 0, pageCount: kernel.physical.pages });
  dumpHeader64.write(header, 0, {
    signature: PAGE_SIGNATURE,
    validDump: VALID_DUMP.bits64,
    majorVersion: 0xf,
    minorVersion: BUILD_NUMBER,
    directoryTableBase: kernel.tables.directoryTableBase,
    pfnDataBase: kernel.layout.pfnDatabase,
    psLoadedModuleList: kernel.variable("PsLoadedModuleList"),
    psActiveProcessHead: kernel.variable("PsActiveProcessHead"),
    machineImageType: MACHINE.x64,
    numberProcessors: kernel.processors.length,
    kdDebuggerDataBlock: kernel.variable("KdDebuggerDataBlock"),
    numberOfRuns: 1,
    numberOfPages: kernel.physical.pages,
    physicalMemoryRuns: runs,
    dumpType: DUMP_TYPE.full,
    requiredDumpSpace: DUMP_HEADER_SIZE + kernel.physical.pages * PAGE_SIZE,
    comment: new Uint8Array(128),
    productType: 3,
    suiteMask: 0x110,
    writerStatus: 0,
  });
  kernel.memory.processor.write(kernel.dumpHeader, header);
}
