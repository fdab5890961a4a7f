import { layout, size64, u32 } from "../../binary/index.ts";

/** Bytes of BITMAP_DUMP up to the bitmap. */
export const BITMAP_HEADER_SIZE = 0x38;

/** "SDMP" or "FDMP", then "DUMP". The letter is not tied to the dump type: WinDbg writes SDMP for full ones. */
export const BITMAP_SIGNATURE = { summary: 0x504d4453, full: 0x504d4446, dump: 0x504d5544 } as const;

/**
 * BITMAP_DUMP: the head of the page map of dump types 5 and 6, at file offset 0x2000. The bitmap follows at +0x38, least
 * significant bit first, bit n for page frame n; the pages lie packed in frame order from `firstPage`.
 * Source: windows-dump.md section 3b.
 */
// biome-ignore format: a table
export const bitmapHeader = layout("BITMAP_DUMP", BITMAP_HEADER_SIZE, {
  signature:           u32(0x00, "SDMP or FDMP"),
  validDump:           u32(0x04, "DUMP"),
  dumpOptions:         u32(0x08),
  firstPage:           size64(0x20, "file offset of the first page; not page aligned in WinDbg's files"),
  totalPresentPages:   size64(0x28, "bits set"),
  pages:               size64(0x30, "bits in the bitmap; any number"),
});
