import type { KernelMemory } from "./kernel-memory.ts";
import type { VmcoreInfo } from "./vmcoreinfo.ts";

/** One message of the kernel; one that spans lines is one record. */
export interface PrintkRecord {
  /** Counts up from 0 at boot. */
  readonly sequence: number;
  /** Since boot, by the scheduler's clock. Exact up to 104 days. */
  readonly nanoseconds: number;
  /** 0 emergency … 7 debug. */
  readonly level: number;
  /** syslog facility: 0 the kernel. */
  readonly facility: number;
  /** Who printed it: a task by its pid, or a processor when it was in an interrupt. */
  readonly caller: { readonly kind: "task" | "processor"; readonly id: number };
  readonly text: string;
}

export interface PrintkLog {
  readonly records: readonly PrintkRecord[];
  /** The ring was read from its tail to its head and no record between them is missing. */
  readonly complete: boolean;
}

/** log_buf_len is at most 2 GiB, with a descriptor for every 32 bytes. */
const MOST_COUNT_BITS = 26;
const MOST_SIZE_BITS = 31;
/** Of a larger log only the newest records are read: more comes from damaged memory than from real machines. */
const MOST_RECORDS = 1 << 20;
const MOST_TEXT_BYTES = 1 << 27;
const ID_BITS = 62;
const ID_MASK = (1n << 62n) - 1n;
/** Upper two bits of state_var; 0 is reserved, 3 is reusable. */
const COMMITTED = 1;
const FINALIZED = 2;
const REUSABLE = 3;
/** Every text block starts with the id of its descriptor. */
const BLOCK_ID_BYTES = 8;
/** begin and next of a record without text: an empty line. begin alone with bit 0 set: its text found no room. */
const NO_TEXT = 3n;

/**
 * The printk ring buffer of kernels since 5.10: a ring of descriptors (state and place of the text), one of infos beside it
 * (time, level, who), and a ring of text blocks that wrap whole. Offsets come from VMCOREINFO, but for the three fields of
 * printk_info that it lacks. Null when the kernel does not say where the ring is. Source: linux-vmcore.md section 4.
 */
export function readPrintkRing(memory: KernelMemory, info: VmcoreInfo): PrintkLog | null {
  const ring = locate(memory, info);
  if (ring === null) return null;
  const records: PrintkRecord[] = [];
  let complete = ring.whole;
  let previous = -1;
  let textBytes = 0;
  for (let step = 0; step < ring.length && textBytes < MOST_TEXT_BYTES; step++) {
    const id = BigInt.asUintN(ID_BITS, ring.first + BigInt(step));
    const found = readRecord(memory, ring, id);
    // The tail's text may have been given up already to make room: nothing is missing between what is left.
    if (found === "overwritten" && records.length === 0) continue;
    if (typeof found === "string") {
      complete = false;
      continue;
    }
    if (previous >= 0 && found.sequence !== previous + 1) complete = false;
    previous = found.sequence;
    textBytes += found.text.length;
    records.push(found);
  }
  return { records, complete: complete && records.length > 0 && textBytes < MOST_TEXT_BYTES };
}

interface Ring {
  /** Id of the first record to read. */
  readonly first: bigint;
  /** Records from there to the head. */
  readonly length: number;
  /** They are all that the ring says it holds. */
  readonly whole: boolean;
  readonly indexMask: bigint;
  readonly descriptors: bigint;
  readonly infos: bigint;
  readonly text: bigint;
  readonly textBits: bigint;
  readonly fields: Fields;
}

type Fields = NonNullable<ReturnType<typeof fieldsOf>>;

/** Offsets in the ring's structures, as VMCOREINFO has them. */
function fieldsOf(info: VmcoreInfo) {
  const wanted = {
    descRing: info.offset("printk_ringbuffer.desc_ring"),
    textRing: info.offset("printk_ringbuffer.text_data_ring"),
    countBits: info.offset("prb_desc_ring.count_bits"),
    descs: info.offset("prb_desc_ring.descs"),
    infos: info.offset("prb_desc_ring.infos"),
    headId: info.offset("prb_desc_ring.head_id"),
    tailId: info.offset("prb_desc_ring.tail_id"),
    descSize: info.size("prb_desc"),
    stateVar: info.offset("prb_desc.state_var"),
    textPlace: info.offset("prb_desc.text_blk_lpos"),
    begin: info.offset("prb_data_blk_lpos.begin"),
    next: info.offset("prb_data_blk_lpos.next"),
    infoSize: info.size("printk_info"),
    seq: info.offset("printk_info.seq"),
    time: info.offset("printk_info.ts_nsec"),
    textLength: info.offset("printk_info.text_len"),
    callerId: info.offset("printk_info.caller_id"),
    sizeBits: info.offset("prb_data_ring.size_bits"),
    data: info.offset("prb_data_ring.data"),
  };
  for (const value of Object.values(wanted)) if (value === null || value > 4096) return null;
  return wanted as { [K in keyof typeof wanted]: number };
}

function locate(memory: KernelMemory, info: VmcoreInfo): Ring | null {
  const fields = fieldsOf(info);
  const pointer = info.symbol("prb");
  const prb = pointer === null ? null : memory.u64(pointer);
  if (fields === null || prb === null) return null;
  const descRing = prb + BigInt(fields.descRing);
  const textRing = prb + BigInt(fields.textRing);
  const countBits = memory.u32(descRing + BigInt(fields.countBits));
  const sizeBits = memory.u32(textRing + BigInt(fields.sizeBits));
  const descriptors = memory.u64(descRing + BigInt(fields.descs));
  const infos = memory.u64(descRing + BigInt(fields.infos));
  const head = memory.u64(descRing + BigInt(fields.headId));
  const tail = memory.u64(descRing + BigInt(fields.tailId));
  const text = memory.u64(textRing + BigInt(fields.data));
  if (countBits === null || sizeBits === null || countBits > MOST_COUNT_BITS || sizeBits > MOST_SIZE_BITS) return null;
  if (descriptors === null || infos === null || head === null || tail === null || text === null) return null;
  const span = BigInt.asUintN(ID_BITS, head - tail) + 1n;
  const plausible = span <= 1n << BigInt(countBits);
  const length = plausible ? Math.min(Number(span), MOST_RECORDS) : 0;
  return {
    first: head - BigInt(length - 1),
    length,
    whole: BigInt(length) === span,
    indexMask: (1n << BigInt(countBits)) - 1n,
    descriptors,
    infos,
    text,
    textBits: BigInt(sizeBits),
    fields,
  };
}

function readRecord(memory: KernelMemory, ring: Ring, id: bigint): PrintkRecord | "overwritten" | "missing" {
  const { fields } = ring;
  const slot = id & ring.indexMask;
  const descriptor = memory.read(ring.descriptors + slot * BigInt(fields.descSize), fields.descSize);
  const info = memory.read(ring.infos + slot * BigInt(fields.infoSize), fields.infoSize);
  if (descriptor === null || info === null || fields.stateVar + 8 > descriptor.length) return "missing";
  const stateVar = viewOf(descriptor).getBigUint64(fields.stateVar, true);
  const state = Number(stateVar >> BigInt(ID_BITS));
  if ((stateVar & ID_MASK) !== id) return "missing";
  if (state === REUSABLE) return "overwritten";
  if (state !== COMMITTED && state !== FINALIZED) return "missing";
  const about = readInfo(info, fields);
  const text = about && readText(memory, ring, id, descriptor, about.textLength);
  if (!about || text === null) return "missing";
  const { textLength: _, ...rest } = about;
  return { ...rest, text };
}

function readInfo(info: Uint8Array, fields: Fields) {
  const end = Math.max(fields.seq + 8, fields.time + 8, fields.textLength + 4, fields.callerId + 4);
  if (end > info.length) return null;
  const view = viewOf(info);
  const callerId = view.getUint32(fields.callerId, true);
  return {
    sequence: Number(view.getBigUint64(fields.seq, true)),
    nanoseconds: Number(view.getBigUint64(fields.time, true)),
    // struct printk_info: u16 text_len, u8 facility, then u8 flags:5, level:3.
    facility: view.getUint8(fields.textLength + 2),
    level: view.getUint8(fields.textLength + 3) >>> 5,
    caller: { kind: callerId >>> 31 === 1 ? "processor" : "task", id: callerId & 0x7fff_ffff } as const,
    textLength: view.getUint16(fields.textLength, true),
  };
}

/** The text of a record, or null when its block is gone or is another record's. */
function readText(memory: KernelMemory, ring: Ring, id: bigint, descriptor: Uint8Array, length: number): string | null {
  const { fields, textBits } = ring;
  const place = fields.textPlace;
  if (place + Math.max(fields.begin, fields.next) + 8 > descriptor.length) return null;
  const begin = viewOf(descriptor).getBigUint64(place + fields.begin, true);
  const next = viewOf(descriptor).getBigUint64(place + fields.next, true);
  if (begin & 1n) return begin === NO_TEXT && next === NO_TEXT ? "" : null;
  const mask = (1n << textBits) - 1n;
  // A block that would cross the ring's end starts again at its first byte; one that ends exactly there does not.
  const wrapped = begin >> textBits !== next >> textBits && (next & mask) !== 0n;
  const start = wrapped ? 0n : begin & mask;
  const end = (next & mask) === 0n ? mask + 1n : next & mask;
  const room = Number(end - start) - BLOCK_ID_BYTES;
  if (room < 0) return null;
  const owner = memory.u64(ring.text + start);
  if (owner === null || (owner & ID_MASK) !== id) return null;
  const bytes = memory.read(ring.text + start + BigInt(BLOCK_ID_BYTES), Math.min(length, room));
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
