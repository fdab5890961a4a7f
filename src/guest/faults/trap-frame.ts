import { layout, u8, u32, u64 } from "../../binary/index.ts";

/** KTRAP_FRAME up to the error code; the machine frame lies behind it. Source: Microsoft's public symbols, build 19041. */
export const trapFrame = layout("KTRAP_FRAME", 0x168, {
  previousMode: u8(0x28, "0 kernel"),
  previousIrql: u8(0x29),
  faultIndicator: u8(0x2a),
  exceptionActive: u8(0x2b),
  mxCsr: u32(0x2c),
  rax: u64(0x30),
  rcx: u64(0x38),
  rdx: u64(0x40),
  r8: u64(0x48),
  r9: u64(0x50),
  r10: u64(0x58),
  r11: u64(0x60),
  faultAddress: u64(0xd0, "CR2"),
  rbp: u64(0x158, "pushed by the handler's prolog"),
  errorCode: u64(0x160, "pushed by the processor"),
});
