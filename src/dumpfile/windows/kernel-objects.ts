import { address, bytes, layout, text, u8, u16, u32, u64 } from "../../binary/index.ts";

/*
 * Kernel objects of x64 build 19041 (Windows 10 2004 to 22H2), the fields that a crash is read by. Offsets are those of
 * Microsoft's public symbols; the ones that KDDEBUGGER_DATA64 states or that a real triage dump of this build shows are
 * checked by the tests. Other builds move them: read KDDEBUGGER_DATA64 first.
 */

/** EPROCESS, its KPROCESS (`Pcb`) first. */
// biome-ignore format: a table
export const eprocess = layout("EPROCESS", 0xa40, {
  headerType:         u8(0x000, "3: a process object"),
  directoryTableBase: u64(0x028, "Pcb.DirectoryTableBase: CR3"),
  pcbThreadListHead:  bytes(0x030, 0x10, "LIST_ENTRY64 through KTHREAD.threadListEntry"),
  uniqueProcessId:    u64(0x440),
  activeProcessLinks: bytes(0x448, 0x10, "LIST_ENTRY64, headed by PsActiveProcessHead"),
  createTime:         u64(0x468, "FILETIME"),
  numberOfLockedPages: u64(0x500, "pages that drivers have locked by MDL"),
  inheritedFromUniqueProcessId: u64(0x540),
  peb:                address(0x550, "0 for System"),
  imageFileName:      text(0x5a8, 15),
  threadListHead:     bytes(0x5e0, 0x10, "LIST_ENTRY64 through ETHREAD.threadListEntry"),
  activeThreads:      u32(0x5f0),
});

/** ETHREAD, its KTHREAD (`Tcb`) first. */
// biome-ignore format: a table
export const ethread = layout("ETHREAD", 0x898, {
  headerType:         u8(0x000, "6: a thread object"),
  initialStack:       address(0x028),
  stackLimit:         address(0x030, "lowest address"),
  stackBase:          address(0x038, "one past the highest address"),
  kernelStack:        address(0x058, "saved RSP of a thread that does not run"),
  apcStateProcess:    address(0x0b8, "ApcState.Process: whose address space it is attached to"),
  teb:                address(0x0f0),
  state:              u8(0x184, "KTHREAD_STATE"),
  nextProcessor:      u32(0x218),
  process:            address(0x220, "who owns it"),
  tcbThreadListEntry: bytes(0x2f8, 0x10, "LIST_ENTRY64"),
  createTime:         u64(0x430, "FILETIME"),
  startAddress:       address(0x450),
  uniqueProcess:      u64(0x478, "Cid.UniqueProcess"),
  uniqueThread:       u64(0x480, "Cid.UniqueThread"),
  win32StartAddress:  address(0x4d0),
  threadListEntry:    bytes(0x4e8, 0x10, "LIST_ENTRY64, headed by EPROCESS.threadListHead"),
});

/** KSPECIAL_REGISTERS: the first part of a processor's state in its KPRCB. */
// biome-ignore format: a table
export const specialRegisters = layout("KSPECIAL_REGISTERS", 0xf0, {
  cr0:            u64(0x00),
  cr2:            u64(0x08),
  cr3:            u64(0x10),
  cr4:            u64(0x18),
  kernelDr0:      u64(0x20),
  kernelDr1:      u64(0x28),
  kernelDr2:      u64(0x30),
  kernelDr3:      u64(0x38),
  kernelDr6:      u64(0x40),
  kernelDr7:      u64(0x48),
  gdtrLimit:      u16(0x56),
  gdtrBase:       address(0x58),
  idtrLimit:      u16(0x66),
  idtrBase:       address(0x68),
  tr:             u16(0x70),
  ldtr:           u16(0x72),
  mxCsr:          u32(0x74),
  debugControl:   u64(0x78),
  cr8:            u64(0xa0),
  msrGsBase:      u64(0xa8),
  msrGsSwap:      u64(0xb0),
  msrStar:        u64(0xb8),
  msrLStar:       u64(0xc0),
  msrCStar:       u64(0xc8),
  msrSyscallMask: u64(0xd0),
  xcr0:           u64(0xd8),
  msrFsBase:      u64(0xe0),
});

/** KPRCB: one processor's control block; in memory it lies inside the KPCR. */
// biome-ignore format: a table
export const kprcb = layout("KPRCB", 0xaf00, {
  mxCsr:            u32(0x0000),
  legacyNumber:     u8(0x0004),
  currentThread:    address(0x0008),
  nextThread:       address(0x0010),
  idleThread:       address(0x0018),
  number:           u32(0x0024),
  rspBase:          address(0x0028),
  cpuType:          u8(0x0040, "family"),
  mhz:              u32(0x0044),
  specialRegisters: bytes(0x0100, 0xf0, "ProcessorState.SpecialRegisters: KSPECIAL_REGISTERS"),
  contextFrame:     bytes(0x01f0, 0x4d0, "ProcessorState.ContextFrame: CONTEXT"),
  context:          address(0x85c0, "CONTEXT of the bug check call"),
});

/** KPCR: what GS points at in the kernel. */
// biome-ignore format: a table
export const kpcr = layout("KPCR", 0xb080, {
  gdtBase:     address(0x000),
  tssBase:     address(0x008),
  userRsp:     u64(0x010),
  self:        address(0x018),
  currentPrcb: address(0x020),
  idtBase:     address(0x038),
  irql:        u8(0x050),
  majorVersion: u16(0x060),
  minorVersion: u16(0x062),
  prcb:        bytes(0x180, 0xaf00, "KPRCB"),
});
