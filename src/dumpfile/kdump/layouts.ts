import { i32, layout, size64, text, u32, u64 } from "../../binary/index.ts";

/** disk_dump_header of 64-bit makedumpfile and QEMU, block 0 of a kdump file. Source: linux-vmcore.md section 1. */
export const diskHeader = layout("disk_dump_header", 464, {
  signature: text(0, 8, "KDUMP and three blanks"),
  version: i32(8),
  system: text(12, 65, "struct new_utsname; blank but for the machine in QEMU's dumps"),
  node: text(77, 65),
  release: text(142, 65),
  versionText: text(207, 65),
  machine: text(272, 65),
  domain: text(337, 65),
  seconds: size64(408, "struct timeval: since 1970; 0 in QEMU's dumps"),
  status: u32(424, "STATUS_…"),
  blockSize: i32(428, "bytes; the page size"),
  subHeaderBlocks: i32(432),
  bitmapBlocks: u32(436, "of both bitmaps together"),
  maxPage: u32(440, "max_mapnr: one past the last page frame; version 6 has it with 64 bits in the sub-header"),
  currentCpu: u32(456),
  processors: i32(460),
});

/** kdump_sub_header, block 1. Fields beyond what a version knows are not read. Source: linux-vmcore.md section 1. */
export const subHeader = layout("kdump_sub_header", 104, {
  physicalBase: u64(0, "wrong in QEMU's dumps (linux-vmcore.md section 11): not used"),
  dumpLevel: i32(8, "version 1; bit 0: pages of zeros may have been left out"),
  split: i32(12, "version 2; 1: one file of several"),
  vmcoreinfoOffset: size64(32, "version 3"),
  vmcoreinfoBytes: size64(40),
  noteOffset: size64(48, "version 4"),
  noteBytes: size64(56),
  eraseInfoOffset: size64(64, "version 5"),
  eraseInfoBytes: size64(72),
  maxPage: size64(96, "max_mapnr_64, version 6"),
});

/** page_desc, one a stored page. Source: linux-vmcore.md section 1. */
export const pageDescriptor = layout("page_desc", 24, {
  offset: size64(0, "of the page's bytes in the file; equal pages may share it"),
  size: u32(8, "bytes in the file"),
  flags: u32(12, "0 raw, or one of PAGE_…"),
});

/** disk_dump_header.status: how pages were compressed, and whether the file is whole. */
export const STATUS_INCOMPLETE = 0x8;

/** The compression of a page (page_desc.flags), and of the whole dump (disk_dump_header.status). */
export const PAGE_ZLIB = 0x1;
export const PAGE_LZO = 0x2;
export const PAGE_SNAPPY = 0x4;
export const PAGE_ZSTD = 0x20;
