import { bytes, layout, size64, text, u8, u16, u32, u64 } from "./layout.ts";

/**
 * The tables of a 64-bit Windows image (PE32+), as far as a kernel image is written, walked and unwound here.
 * An RVA is an offset from the image's base in memory.
 * Sources: Microsoft, "PE Format"; Microsoft, "x64 exception handling" (RUNTIME_FUNCTION, UNWIND_INFO, UNWIND_CODE).
 */

export const DOS_MAGIC = 0x5a4d; // "MZ"
export const PE_SIGNATURE = 0x0000_4550; // "PE\0\0"
export const PE32_PLUS_MAGIC = 0x20b;

export const MACHINE_X64 = 0x8664;
export const MACHINE_ARM64 = 0xaa64;

export const dosHeader = layout("IMAGE_DOS_HEADER", 0x40, {
  magic: u16(0x00, "MZ"),
  newHeader: u32(0x3c, "file offset and RVA of the PE signature"),
});

/** Signature, COFF file header: what `dosHeader.newHeader` points at. */
export const coffHeader = layout("IMAGE_NT_HEADERS64 up to FileHeader", 0x18, {
  signature: u32(0x00, "PE, two NULs"),
  machine: u16(0x04),
  numberOfSections: u16(0x06),
  timeDateStamp: u32(0x08, "seconds since 1970, or a hash of the content for reproducible builds"),
  pointerToSymbolTable: u32(0x0c),
  numberOfSymbols: u32(0x10),
  sizeOfOptionalHeader: u16(0x14, "bytes; the section headers follow"),
  characteristics: u16(0x16),
});

/** The optional header without its data directories, which follow at once. */
export const optionalHeader = layout("IMAGE_OPTIONAL_HEADER64", 0x70, {
  magic: u16(0x00, "0x20b"),
  majorLinkerVersion: u8(0x02),
  minorLinkerVersion: u8(0x03),
  sizeOfCode: u32(0x04, "bytes"),
  sizeOfInitializedData: u32(0x08, "bytes"),
  sizeOfUninitializedData: u32(0x0c, "bytes"),
  addressOfEntryPoint: u32(0x10, "RVA"),
  baseOfCode: u32(0x14, "RVA"),
  imageBase: u64(0x18, "preferred base"),
  sectionAlignment: u32(0x20, "bytes"),
  fileAlignment: u32(0x24, "bytes"),
  majorOperatingSystemVersion: u16(0x28),
  minorOperatingSystemVersion: u16(0x2a),
  majorImageVersion: u16(0x2c),
  minorImageVersion: u16(0x2e),
  majorSubsystemVersion: u16(0x30),
  minorSubsystemVersion: u16(0x32),
  sizeOfImage: u32(0x38, "bytes in memory, a multiple of the section alignment"),
  sizeOfHeaders: u32(0x3c, "bytes, a multiple of the file alignment"),
  checkSum: u32(0x40),
  subsystem: u16(0x44, "1 is native"),
  dllCharacteristics: u16(0x46),
  sizeOfStackReserve: size64(0x48),
  sizeOfStackCommit: size64(0x50),
  sizeOfHeapReserve: size64(0x58),
  sizeOfHeapCommit: size64(0x60),
  numberOfRvaAndSizes: u32(0x6c, "data directories that follow, 16 as a rule"),
});

export const dataDirectory = layout("IMAGE_DATA_DIRECTORY", 0x08, {
  virtualAddress: u32(0x00, "RVA"),
  size: u32(0x04, "bytes"),
});

/** Which data directory is which: its index behind the optional header. */
export const DIRECTORY = { export: 0, exception: 3, debug: 6 } as const;

export const sectionHeader = layout("IMAGE_SECTION_HEADER", 0x28, {
  name: text(0x00, 8),
  virtualSize: u32(0x08, "bytes in memory"),
  virtualAddress: u32(0x0c, "RVA"),
  sizeOfRawData: u32(0x10, "bytes in the file"),
  pointerToRawData: u32(0x14, "file offset"),
  characteristics: u32(0x24),
});

export const SECTION = {
  code: 0x0000_0020,
  initializedData: 0x0000_0040,
  uninitializedData: 0x0000_0080,
  discardable: 0x0200_0000,
  notPaged: 0x0800_0000,
  execute: 0x2000_0000,
  read: 0x4000_0000,
  write: 0x8000_0000,
} as const;

export const exportDirectory = layout("IMAGE_EXPORT_DIRECTORY", 0x28, {
  characteristics: u32(0x00),
  timeDateStamp: u32(0x04),
  majorVersion: u16(0x08),
  minorVersion: u16(0x0a),
  name: u32(0x0c, "RVA of the image's own name"),
  ordinalBase: u32(0x10),
  numberOfFunctions: u32(0x14),
  numberOfNames: u32(0x18),
  addressOfFunctions: u32(0x1c, "RVA of u32 RVAs; one inside the export directory is a forwarder's text"),
  addressOfNames: u32(0x20, "RVA of u32 RVAs of names, sorted by name"),
  addressOfNameOrdinals: u32(0x24, "RVA of u16 indexes into the functions, one a name"),
});

export const debugDirectory = layout("IMAGE_DEBUG_DIRECTORY", 0x1c, {
  characteristics: u32(0x00),
  timeDateStamp: u32(0x04),
  majorVersion: u16(0x08),
  minorVersion: u16(0x0a),
  type: u32(0x0c, "2 is CodeView"),
  sizeOfData: u32(0x10, "bytes"),
  addressOfRawData: u32(0x14, "RVA"),
  pointerToRawData: u32(0x18, "file offset"),
});

export const DEBUG_TYPE_CODEVIEW = 2;

/** CodeView record of a program database; the path, ended by a NUL, follows. */
export const codeViewPdb70 = layout("CV_INFO_PDB70", 0x18, {
  signature: u32(0x00, "RSDS"),
  guid: bytes(0x04, 16),
  age: u32(0x14),
});

export const CODEVIEW_RSDS = 0x5344_5352;

/** One function's entry in .pdata, sorted by begin address. */
export const runtimeFunction = layout("RUNTIME_FUNCTION", 0x0c, {
  beginAddress: u32(0x00, "RVA"),
  endAddress: u32(0x04, "RVA, of the first byte behind"),
  unwindInfo: u32(0x08, "RVA of UNWIND_INFO; with bit 0 set, RVA of another RUNTIME_FUNCTION that has it"),
});

/** UNWIND_INFO up to its codes; they follow, two bytes each, padded to an even count. */
export const unwindInfo = layout("UNWIND_INFO", 0x04, {
  versionAndFlags: u8(0x00, "version in bits 0 to 2, UNWIND_FLAG in bits 3 to 7"),
  sizeOfProlog: u8(0x01, "bytes"),
  countOfCodes: u8(0x02, "slots of two bytes"),
  frameRegisterAndOffset: u8(0x03, "register number in bits 0 to 3, offset from rsp in 16 bytes in bits 4 to 7"),
});

export const UNWIND_FLAG = { exceptionHandler: 1, terminationHandler: 2, chained: 4 } as const;

export const unwindCode = layout("UNWIND_CODE", 0x02, {
  codeOffset: u8(0x00, "offset in the prolog of the end of the instruction, from the function's begin"),
  operationAndInfo: u8(0x01, "UNWIND_OPERATION in bits 0 to 3, its operand in bits 4 to 7"),
});

/** What a prolog's instruction did; the comment says how many slots the operation takes. */
export const UNWIND_OPERATION = {
  pushNonvolatile: 0, // 1: the operand is the register
  allocateLarge: 1, // 2: operand 0, bytes / 8 in the next slot; 3: operand 1, bytes in the next two
  allocateSmall: 2, // 1: operand * 8 + 8 bytes
  setFrameRegister: 3, // 1: frame register = rsp + offset * 16
  saveNonvolatile: 4, // 2: offset from rsp / 8
  saveNonvolatileFar: 5, // 3: offset from rsp
  epilog: 6, // version 2 only, 2: where the epilogs are
  spare: 7, // version 2 only, 3
  saveXmm128: 8, // 2: offset from rsp / 16
  saveXmm128Far: 9, // 3: offset from rsp
  pushMachineFrame: 10, // 1: operand 1 when an error code lies below
} as const;

/** The order in which unwind codes number the general registers. */
export const UNWIND_REGISTERS = [
  ...["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"],
  ...["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"],
] as const;

/** What the processor pushes for an interrupt or exception, lowest address first; an error code may lie below it. */
export const machineFrame = layout("MACHINE_FRAME", 0x28, {
  rip: u64(0x00),
  cs: u64(0x08),
  rflags: u64(0x10),
  rsp: u64(0x18),
  ss: u64(0x20),
});
