import { address, layout, u16 } from "../../binary/index.ts";

/** LIST_ENTRY of a 64-bit kernel: a circular list that runs through the fields of its members. */
// biome-ignore format: a table
export const listEntry64 = layout("LIST_ENTRY64", 0x10, {
  flink: address(0x0),
  blink: address(0x8),
});

/** UNICODE_STRING of a 64-bit kernel: UTF-16 text that lies elsewhere. */
// biome-ignore format: a table
export const unicodeString64 = layout("UNICODE_STRING64", 0x10, {
  length:        u16(0x0, "bytes used"),
  maximumLength: u16(0x2, "bytes reserved"),
  buffer:        address(0x8),
});
