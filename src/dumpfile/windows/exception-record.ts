import { address, bytes, layout, u32 } from "../../binary/index.ts";

/** EXCEPTION_RECORD64. Source: windows-dump.md section 6. Parameters nobody wrote hold the "PAGE" fill in a dump header. */
// biome-ignore format: a table
export const exceptionRecord64 = layout("EXCEPTION_RECORD64", 0x98, {
  exceptionCode:        u32(0x00),
  exceptionFlags:       u32(0x04),
  exceptionRecord:      address(0x08, "the next record, or 0"),
  exceptionAddress:     address(0x10),
  numberParameters:     u32(0x18, "15 at most"),
  exceptionInformation: bytes(0x20, 15 * 8),
});
