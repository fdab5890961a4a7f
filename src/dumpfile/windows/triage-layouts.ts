import { address, bytes, layout, size64, u16, u32, u64 } from "../../binary/index.ts";

/** Bits of the header's `miniDumpFields`. Source: windows-dump.md section 4. */
export const TRIAGE_PART = {
  context: 0x1,
  exception: 0x2,
  processorBlock: 0x4,
  process: 0x8,
  thread: 0x10,
  stack: 0x20,
  driverList: 0x40,
  brokenDriver: 0x80,
  memoryManager: 0x100,
  dataPage: 0x200,
  debuggerData: 0x400,
  dataBlocks: 0x800,
} as const;

/** What stands at `validOffset` of a triage dump that was written to its end: "TRGD". */
export const TRIAGE_MARK = 0x44475254;

/**
 * TRIAGE_DUMP64: the index of a small ("triage") kernel dump, 0x80 bytes at file offset 0x2000.
 * Every offset in it counts from the start of the file. Source: windows-dump.md section 4.
 */
// biome-ignore format: a table
export const triageDump64 = layout("TRIAGE_DUMP64", 0x80, {
  servicePackBuild:      u32(0x00),
  sizeOfDump:            u32(0x04, "bytes, up to and including the TRGD mark"),
  validOffset:           u32(0x08, "where the TRGD mark must stand"),
  contextOffset:         u32(0x0c),
  exceptionOffset:       u32(0x10),
  mmOffset:              u32(0x14, "MI_TRIAGE_STORAGE"),
  unloadedDriversOffset: u32(0x18),
  prcbOffset:            u32(0x1c),
  processOffset:         u32(0x20),
  threadOffset:          u32(0x24),
  callStackOffset:       u32(0x28),
  sizeOfCallStack:       u32(0x2c, "bytes"),
  driverListOffset:      u32(0x30),
  driverCount:           u32(0x34),
  stringPoolOffset:      u32(0x38),
  stringPoolSize:        u32(0x3c, "bytes"),
  brokenDriverOffset:    u32(0x40),
  triageOptions:         u32(0x44),
  topOfStack:            address(0x48, "virtual address of the first byte of the call stack"),
  bStoreOffset:          u32(0x50, "IA64's register backing store"),
  sizeOfBStore:          u32(0x54, "bytes"),
  limitOfBStore:         address(0x58),
  dataPageAddress:       address(0x60),
  dataPageOffset:        u32(0x68),
  dataPageSize:          u32(0x6c, "bytes"),
  debuggerDataOffset:    u32(0x70, "KDDEBUGGER_DATA64"),
  debuggerDataSize:      u32(0x74, "bytes"),
  dataBlocksOffset:      u32(0x78),
  dataBlocksCount:       u32(0x7c),
});

/**
 * One driver of a triage dump. Its loader entry is the form of older Windows, cut at 0x88 bytes: the time stamp stands at
 * +0x80, where the entry in a running kernel has another field (loader-entry.ts). Source: windows-dump.md section 4.
 */
// biome-ignore format: a table
export const triageDriverEntry = layout("DUMP_DRIVER_ENTRY64", 0x90, {
  driverNameOffset: u32(0x00, "file offset of a triage string"),
  dllBase:          address(0x38),
  entryPoint:       address(0x40),
  sizeOfImage:      u32(0x48, "bytes"),
  flags:            u32(0x70),
  loadCount:        u16(0x74),
  checkSum:         u32(0x80),
  timeDateStamp:    u32(0x88),
});

/** The head of a string in the string pool; the UTF-16 units and a NUL follow, the next string starts 8-aligned. */
// biome-ignore format: a table
export const triageString = layout("DUMP_STRING", 0x4, {
  length: u32(0x0, "UTF-16 units without the NUL"),
});

/** The head of the unloaded driver list. Source: windows-dump.md section 4. */
// biome-ignore format: a table
export const triageUnloadedDriverList = layout("DUMP_UNLOADED_DRIVERS64 head", 0x8, {
  numberOfDrivers: size64(0x0),
});

/** One unloaded driver of a triage dump: its name is stored inline, cut after 12 UTF-16 units. */
// biome-ignore format: a table
export const triageUnloadedDriver = layout("DUMP_UNLOADED_DRIVERS64", 0x38, {
  nameLength:    u16(0x00, "bytes of the whole name, of which 24 at most are here"),
  nameMaximum:   u16(0x02, "bytes"),
  name:          bytes(0x10, 24, "UTF-16; no NUL when all 12 units are used"),
  startAddress:  address(0x28),
  endAddress:    address(0x30),
});

/** One piece of virtual memory in a triage dump. Blocks are not sorted and may overlap. Source: windows-dump.md section 4. */
// biome-ignore format: a table
export const triageDataBlock = layout("TRIAGE_DATA_BLOCK", 0x10, {
  address: address(0x0),
  offset:  u32(0x8, "in the file"),
  size:    u32(0xc, "bytes"),
});

/** MI_TRIAGE_STORAGE: what the memory manager adds; all zero unless TRIAGE_PART.memoryManager is set. */
// biome-ignore format: a table
export const triageMemoryManager = layout("MI_TRIAGE_STORAGE", 0x50, {
  version:            u32(0x00, "1"),
  size:               u32(0x04, "bytes"),
  mmSpecialPoolTag:   u32(0x08),
  miTriageActionTaken: u32(0x0c),
  mmVerifyDriverLevel: u32(0x10),
  kernelVerifier:     u32(0x14),
  mmMaximumNonPagedPool: u64(0x18),
  mmAllocatedNonPagedPool: u64(0x20),
  pagedPoolMaximum:   u64(0x28),
  pagedPoolAllocated: u64(0x30),
  committedPages:     u64(0x38),
  committedPagesPeak: u64(0x40),
  commitLimitMaximum: u64(0x48),
});

/** The head of the secondary data behind the triage part. Source: windows-dump.md section 4a. */
// biome-ignore format: a table
export const dumpBlobFile = layout("DUMP_BLOB_FILE_HEADER", 0x10, {
  signature1:  u32(0x0, "Dump"),
  signature2:  u32(0x4, "Blob"),
  headerSize:  u32(0x8, "bytes"),
  buildNumber: u32(0xc, "0xF0000000 | build"),
});

/** The head of one secondary record. Source: windows-dump.md section 4a. */
// biome-ignore format: a table
export const dumpBlob = layout("DUMP_BLOB_HEADER", 0x20, {
  headerSize: u32(0x00, "bytes; 0 where the records end in a tail of zeros"),
  tag:        bytes(0x04, 16, "GUID"),
  dataSize:   u32(0x14, "bytes"),
  prePad:     u32(0x18, "bytes between head and data"),
  postPad:    u32(0x1c, "bytes between data and the next head"),
});

/** "Dump" and "Blob". */
export const DUMP_BLOB = { signature1: 0x706d7544, signature2: 0x626f6c42 } as const;
