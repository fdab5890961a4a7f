import { bytes, layout, u8, u16, u32, u64 } from "../../binary/index.ts";

/** Where every 64-bit Windows kernel maps KUSER_SHARED_DATA. */
export const USER_SHARED_DATA_ADDRESS = 0xffff_f780_0000_0000n;

/** KSYSTEM_TIME: a 64-bit time that is written in three steps; it was torn when `high1Time` and `high2Time` differ. */
// biome-ignore format: a table
export const systemTime = layout("KSYSTEM_TIME", 0xc, {
  lowPart:   u32(0x0),
  high1Time: u32(0x4),
  high2Time: u32(0x8),
});

/** KUSER_SHARED_DATA: what the kernel shows to everyone, its main fields. Source: Microsoft's public ntddk.h documentation. */
// biome-ignore format: a table
export const userSharedData = layout("KUSER_SHARED_DATA", 0x720, {
  tickCountMultiplier:  u32(0x004),
  interruptTime:        bytes(0x008, 0xc, "KSYSTEM_TIME: 100 ns since boot"),
  systemTime:           bytes(0x014, 0xc, "KSYSTEM_TIME: FILETIME, UTC"),
  timeZoneBias:         bytes(0x020, 0xc, "KSYSTEM_TIME: 100 ns to take off UTC for local time"),
  imageNumberLow:       u16(0x02c, "machine number of PE files"),
  imageNumberHigh:      u16(0x02e),
  ntSystemRoot:         bytes(0x030, 520, "UTF-16, ended by NUL"),
  ntBuildNumber:        u32(0x260),
  ntProductType:        u32(0x264, "1 workstation, 2 domain controller, 3 server"),
  productTypeIsValid:   u8(0x268),
  ntMajorVersion:       u32(0x26c),
  ntMinorVersion:       u32(0x270),
  kdDebuggerEnabled:    u8(0x2d4),
  numberOfPhysicalPages: u32(0x2e8),
  qpcFrequency:         u64(0x300),
  tickCount:            bytes(0x320, 0xc, "KSYSTEM_TIME: clock ticks since boot"),
});
