import { i32, layout, size64, u8, u16, u32, u64 } from "../../binary/index.ts";

/** What there is to know of a partition as a whole. */
export const partitionRow = layout("PARTITION", 0x30, {
  pages: u32(0x00, "guest frames of its own memory"),
  engine: u8(0x04, "0 walk, 1 tlb, 2 shadow"),
  runState: u8(0x05, "0 running, 1 suspended, 2 crashed, 3 destroyed"),
  isDumpPartition: u8(0x06),
  maxPhysicalAddressBits: u8(0x07),
  budget: u32(0x08, "shadow pages there may be"),
  used: u32(0x0c, "shadow pages there are, by the pool's own count"),
  serial: size64(0x10, "the last that a flush or a table write has taken; what is made now is younger"),
});

export const processorRow = layout("PROCESSOR", 0x40, {
  cr3: size64(0x00),
  cr0: u32(0x08),
  cr4: u32(0x0c),
  efer: u32(0x10),
  pkru: u32(0x14),
  rip: u64(0x18),
  rsp: u64(0x20),
  rflags: u64(0x28),
  forgetsEverything: u8(0x30, "word is left for it to forget everything before it translates again"),
});

/** Pages that a processor is to forget before it translates again. */
export const wordRow = layout("SHOOTDOWN_WORD", 0x10, {
  processor: u32(0x00),
  high: i32(0x04),
  low: u32(0x08),
  pages: u32(0x0c),
});

/** Guest frames that lie one after another in the host, with the same rights. */
export const mapRunRow = layout("MAP_RUN", 0x10, {
  guestFrame: u32(0x00),
  hostFrame: u32(0x04),
  count: u32(0x08),
  rights: u32(0x0c, "1 read, 2 write, 4 execute"),
});

/** An address space of the tagged virtual TLB. */
export const spaceRow = layout("ADDRESS_SPACE", 0x28, {
  tag: size64(0x00, "the guest's CR3"),
  flushedAt: size64(0x08, "serial number"),
  waysFlushedAt: size64(0x10, "serial number"),
  pcid: u32(0x18),
  processors: u32(0x1c, "that run in it"),
});

/** A topmost shadow page of an address space. */
export const rootRow = layout("ROOT", 0x10, {
  space: u32(0x00, "number of the address space's row"),
  page: u32(0x04),
  levels: u32(0x08),
  role: u32(0x0c),
});

/** A shadow page. */
export const shadowPageRow = layout("SHADOW_PAGE", 0x28, {
  validatedAt: size64(0x00, "serial number: older than when it was last compared with its guest table"),
  page: u32(0x08),
  source: u32(0x0c, "guest physical address of the table, or of the entry it holds the pieces of, in units of 8 bytes"),
  tableWord: u32(0x10, "where that lies in host memory, in units of 4 bytes"),
  base: u32(0x14, "of pieces, the first guest frame"),
  role: u16(0x18),
  level: u8(0x1a),
  piece: u16(0x1c, "of a 1 GiB page, which 2 MiB of it"),
  references: u32(0x20, "links and address spaces that lead here, by the pool's own count"),
  firstParent: i32(0x24, "the first of the links that lead here; -1 for none"),
});

/** An occupied shadow entry: its number (shadow page * 512 + index) and the words of entry.ts. */
export const shadowEntryRow = layout("SHADOW_ENTRY", 0x20, {
  number: u32(0x00),
  translation: i32(0x04, "host frame, and in bits 11:0 the accesses it allows"),
  state: i32(0x08),
  guestLow: i32(0x0c, "the guest's entry as it was read"),
  guestHigh: i32(0x10),
  next: i32(0x14, "in its reverse map; -1 at the end"),
  previous: i32(0x18),
  filledAt: i32(0x1c, "serial number, its lower 32 bits: older than when it was made"),
});

/** Where the reverse map of a guest frame begins. */
export const mapperRow = layout("MAPPER", 0x08, {
  guestFrame: u32(0x00),
  entry: i32(0x04, "the first leaf that maps it"),
});

/** A guest frame whose tables are shadowed. */
export const tableFrameRow = layout("TABLE_FRAME", 0x20, {
  guestFrame: u32(0x00),
  hostFrame: u32(0x04),
  shadows: u32(0x08, "shadow pages made of it, by the pool's own count"),
  handedOut: u32(0x0c, "1 where its bytes were handed out to be written unseen"),
  wholeWrittenAt: size64(0x10, "serial number when any entry may last have been written"),
  singleWrittenAt: size64(0x18, "serial number when a single entry was last written"),
});

/** A flush as it was asked for, before anything of it was done. */
export const flushRow = layout("FLUSH", 0x28, {
  serial: size64(0x00),
  of: size64(0x08, "process-context identifier, or tag of the address space"),
  scope: u32(0x10, "0 all address spaces, 1 those of an identifier, 2 one, 3 all but global pages"),
  high: i32(0x14),
  low: i32(0x18),
  pages: u32(0x1c, "0 for all of the space"),
  processorsLow: u32(0x20, "whose TLBs are to forget: bits of processors 0 to 31"),
  processorsHigh: u32(0x24, "32 to 63"),
});

/** A name under which a processor's translations lie in the TLB. */
export const contextRow = layout("TLB_CONTEXT", 0x28, {
  tag: size64(0x00, "the guest's CR3; 0 of global pages"),
  bornAt: size64(0x08, "serial number: older than the name"),
  since: size64(0x10, "serial number of the flush that everything under it is younger than"),
  processor: u32(0x18),
  number: u32(0x1c),
  control: i32(0x20, "levels * 512 + role of the topmost table; -1 where the processor's own registers tell"),
  pcid: i32(0x24, "-1 of global pages"),
});

/** A translation that a processor's TLB holds and may use. */
export const tlbSlotRow = layout("TLB_SLOT", 0x18, {
  context: u32(0x00, "number of the context's row"),
  high: i32(0x04),
  low: i32(0x08, "linear address of the page"),
  address: i32(0x0c, "host address"),
  access: u32(0x10, "kind of access it is for"),
  large: u32(0x14, "1 for 2 MiB"),
});
