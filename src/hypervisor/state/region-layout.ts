import { layout, size64, text, u32, u64 } from "../../binary/index.ts";

export const REGION_MAGIC = "STOPCHV1";
export const REGION_VERSION = 1;
/** What the valid flag holds when the region is complete: written last of all (systems.md 2.4). */
export const REGION_VALID = 0x444c_4156;
/** In place of a partition's number: the section is the machine's. */
export const OF_MACHINE = 0xffff_ffff;

/**
 * The first bytes of the crash region, which the hypervisor shares with the dump agent (systems.md 2.3, case 2). Behind them
 * stand the section entries, and behind those the sections. Offsets count from the start of the region; all is little-endian.
 */
export const regionHeader = layout("HYPERVISOR_STATE", 0x80, {
  magic: text(0x00, 8),
  version: u32(0x08),
  valid: u32(0x0c, "0 until everything else stands"),
  bytes: size64(0x10, "of header, section entries and sections"),
  checksum: u32(0x18, "CRC-32 of header and section entries; counted with this field and `valid` as 0"),
  sections: u32(0x1c, "section entries that follow"),
  stopCode: u32(0x20, "0 in a state that was captured while all was well"),
  omitted: u32(0x24, "sections that found no room"),
  parameter1: u64(0x28),
  parameter2: u64(0x30),
  parameter3: u64(0x38),
  parameter4: u64(0x40),
  serial: size64(0x48, "the last that a flush or a table write has taken"),
  forgottenUpTo: size64(0x50, "serial number up to which single table writes may be missing"),
  hostFrames: u32(0x58),
  partitions: u32(0x5c),
});

/** One section: rows of one kind, of a partition or of the machine. */
export const sectionEntry = layout("SECTION", 0x20, {
  kind: u32(0x00),
  partition: u32(0x04, "number of the partition, from 0; ffffffff for the machine"),
  offset: size64(0x08),
  bytes: size64(0x10),
  rowBytes: u32(0x18),
  checksum: u32(0x1c, "CRC-32 of the section and of the zeros after it"),
});

/** Sections begin at whole 8 bytes. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
