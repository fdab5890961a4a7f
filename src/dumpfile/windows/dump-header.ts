import { address, bytes, layout, size64, u8, u32, u64 } from "../../binary/index.ts";

/** What stands in every header byte that the writer of a Windows dump did not fill in. */
export const PAGE_FILL = 0x45474150;
/** The same in a 64-bit field. */
export const PAGE_FILL_64 = 0x4547415045474150n;

/** `signature` of every kernel dump: "PAGE". */
export const PAGE_SIGNATURE = 0x45474150;

/** `validDump`: "DU64" in 64-bit headers, "DUMP" in 32-bit ones. */
export const VALID_DUMP = { bits64: 0x34365544, bits32: 0x504d5544 } as const;

/** Bytes of a 64-bit header: whatever the dump type adds starts behind it. */
export const DUMP_HEADER_SIZE = 0x2000;

/** Page frames are numbered below this: 52 address bits. */
export const PAGE_FRAMES = 2 ** 40;

/** Runs that Windows puts into a 64-bit header. */
export const MAX_HEADER_RUNS = 42;
/** Runs that fit before CONTEXT; QEMU's writer uses the last one too. */
const HEADER_RUN_SLOTS = 43;

/** `DumpType`. Source: windows-dump.md section 3. */
export const DUMP_TYPE = {
  full: 1,
  summary: 2,
  headerOnly: 3,
  triage: 4,
  bitmapFull: 5,
  bitmapKernel: 6,
  automatic: 7,
  liveKernel: 8,
  liveKernelAndUser: 9,
  liveComplete: 0xa,
} as const;

/** `MachineImageType`: the machine numbers of PE files. */
export const MACHINE = { x86: 0x14c, ia64: 0x200, x64: 0x8664, arm64: 0xaa64 } as const;

/**
 * DUMP_HEADER64: the first 0x2000 bytes of every 64-bit Windows kernel dump. Source: windows-dump.md section 1.
 *
 * The field names are the Windows names in camelCase. A field that still reads {@link PAGE_FILL} was never written.
 */
// biome-ignore format: a table
export const dumpHeader64 = layout("DUMP_HEADER64", DUMP_HEADER_SIZE, {
  signature:             u32(0x000, "PAGE"),
  validDump:             u32(0x004, "DU64"),
  majorVersion:          u32(0x008, "0xF free build, 0xC checked build"),
  minorVersion:          u32(0x00c, "OS build"),
  directoryTableBase:    u64(0x010, "CR3 of the crashed context; the low 12 bits may hold a PCID"),
  pfnDataBase:           address(0x018, "MmPfnDatabase: triage dumps hold the variable's address, some writers its value"),
  psLoadedModuleList:    address(0x020),
  psActiveProcessHead:   address(0x028),
  machineImageType:      u32(0x030, "see MACHINE"),
  numberProcessors:      u32(0x034),
  bugCheckCode:          u32(0x038),
  bugCheckParameter1:    u64(0x040),
  bugCheckParameter2:    u64(0x048),
  bugCheckParameter3:    u64(0x050),
  bugCheckParameter4:    u64(0x058),
  versionUser:           bytes(0x060, 32),
  kdDebuggerDataBlock:   address(0x080),
  numberOfRuns:          u32(0x088, "PhysicalMemoryBlock: its runs follow at 0x98"),
  numberOfPages:         size64(0x090, "PhysicalMemoryBlock: sum over its runs"),
  physicalMemoryRuns:    bytes(0x098, HEADER_RUN_SLOTS * 16, "PHYSICAL_MEMORY_RUN64 each"),
  contextRecord:         bytes(0x348, 3000, "CONTEXT: 0x4D0 bytes used on x64, 0x390 on ARM64"),
  exception:             bytes(0xf00, 0x98, "EXCEPTION_RECORD64"),
  dumpType:              u32(0xf98, "see DUMP_TYPE"),
  requiredDumpSpace:     size64(0xfa0, "bytes"),
  systemTime:            u64(0xfa8, "FILETIME: 100 ns since 1601-01-01 UTC"),
  comment:               bytes(0xfb0, 128, "latin-1, ended by NUL"),
  systemUpTime:          u64(0x1030, "100 ns"),
  miniDumpFields:        u32(0x1038, "parts of a triage dump: see TRIAGE_PART"),
  secondaryDataState:    u32(0x103c),
  productType:           u32(0x1040, "1 workstation, 2 domain controller, 3 server"),
  suiteMask:             u32(0x1044),
  writerStatus:          u32(0x1048),
  kdSecondaryVersion:    u8(0x104d),
  attributes:            u32(0x1050),
  bootId:                u32(0x1054),
});

/** One run of the header's PhysicalMemoryBlock. Source: windows-dump.md section 1. */
// biome-ignore format: a table
export const physicalMemoryRun = layout("PHYSICAL_MEMORY_RUN64", 0x10, {
  basePage:  size64(0x0, "page frame"),
  pageCount: size64(0x8),
});
