import { address, bytes, layout, u16, u32, u64 } from "../../binary/index.ts";

/**
 * KLDR_DATA_TABLE_ENTRY of a running 64-bit kernel: one loaded driver in the list at PsLoadedModuleList.
 * The fields up to `checkSum` are the ones triage dumps were checked for (windows-dump.md section 4); what follows is
 * Windows 10's layout as Microsoft's public symbols have it (build 19041).
 */
// biome-ignore format: a table
export const loaderEntry = layout("KLDR_DATA_TABLE_ENTRY", 0xa0, {
  inLoadOrderLinks:     bytes(0x00, 0x10, "LIST_ENTRY64"),
  exceptionTable:       address(0x10),
  exceptionTableSize:   u32(0x18, "bytes"),
  dllBase:              address(0x30),
  entryPoint:           address(0x38),
  sizeOfImage:          u32(0x40, "bytes"),
  fullDllName:          bytes(0x48, 0x10, "UNICODE_STRING64"),
  baseDllName:          bytes(0x58, 0x10, "UNICODE_STRING64"),
  flags:                u32(0x68),
  loadCount:            u16(0x6c),
  sectionPointer:       address(0x70),
  checkSum:             u32(0x78),
  coverageSectionSize:  u32(0x7c, "bytes"),
  coverageSection:      address(0x80),
  loadedImports:        address(0x88),
  sizeOfImageNotRounded: u32(0x98, "bytes"),
  timeDateStamp:        u32(0x9c),
});

/** Drivers that MmUnloadedDrivers remembers. */
export const UNLOADED_DRIVER_SLOTS = 50;

/** UNLOADED_DRIVERS: one slot of the array at MmUnloadedDrivers, as Microsoft's public symbols have it. */
// biome-ignore format: a table
export const unloadedDriver = layout("UNLOADED_DRIVERS", 0x28, {
  name:         bytes(0x00, 0x10, "UNICODE_STRING64"),
  startAddress: address(0x10),
  endAddress:   address(0x18),
  currentTime:  u64(0x20, "FILETIME of the unloading"),
});
