import { layout, PAGE_SIZE, u8, u16, u32, u64 } from "../../binary/index.ts";
import { USER_SHARED_DATA_ADDRESS, userSharedData } from "../../dumpfile/index.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import type { PageFrames } from "./page-frames.ts";
import { PAGE_KIND } from "./page-table-entry.ts";
import type { PageTables } from "./page-tables.ts";

/** The allocator's variable in .data, MiSpecialPool: a queue through the table of pairs, which lies elsewhere. */
export const specialPoolQueue = layout("SPECIAL_POOL_QUEUE", 0x10, {
  first: u32(0x00, "pair that is handed out next, plus one; 0: none is free"),
  last: u32(0x04, "pair that was freed last, plus one"),
  inUse: u32(0x08, "pairs that hold a block"),
  mostInUse: u32(0x0c, "pairs that may hold one at the same time"),
});

/** At that end of a special block's page where the block is not. In Windows too it is a POOL_HEADER with other contents. */
export const specialPoolHeader = layout("SPECIAL_POOL_HEADER", 0x10, {
  bytes: u16(0x0, "asked for"),
  pattern: u8(0x2, "what the rest of the page is filled with"),
  reserved: u8(0x3, "0"),
  poolTag: u32(0x4, "four letters, first in the lowest byte"),
  reserved2: u64(0x8, "0"),
});

/** A page for the block, and one behind it that is never there. In front of the first there is one too. */
const PAIR_BYTES = BigInt(2 * PAGE_SIZE);
/** Blocks end at a multiple of so many bytes, as those of the ordinary pool do. */
const ALIGNMENT = 16;
const LARGEST_BLOCK = PAGE_SIZE - specialPoolHeader.size;
/** An entry of the table: the pair that was freed next after this one, plus one. */
const ENTRY_BYTES = 2;
const MOST_PAIRS = 0xffff;
/** One page in so many may hold a special block. */
const SHARE_OF_MEMORY = 8;
/** Page frames that are left to everybody else. */
const FRAMES_KEPT = 64;

/** Pairs of pages that a machine's special pool has: as many as it has page frames, so that addresses are not used again soon. */
const pairsFor = (physicalPages: number): number => Math.min(physicalPages, MOST_PAIRS);

/** Bytes of the table of pairs. */
export const specialPoolTableBytes = (physicalPages: number): number => pairsFor(physicalPages) * ENTRY_BYTES;

/** What was wrong with a block that was freed: kinds of bug check 0xC1, as its fourth parameter has them. */
export const SPECIAL_POOL_VIOLATION = {
  notAllocated: 0x20,
  badAddress: 0x21,
  damagedBefore: 0x23,
  damagedBehind: 0x24,
  singleBit: 0x32,
} as const;

/** Raised at a free or a look: something was done to the block's page, or the block is none. */
export class SpecialPoolDamage extends Error {
  override readonly name = "SpecialPoolDamage";
  readonly kind: keyof typeof SPECIAL_POOL_VIOLATION;
  /** First parameter of 0xC1: the block. */
  readonly block: bigint;
  /** Second and third parameter of 0xC1. */
  readonly details: readonly [bigint, bigint];

  constructor(kind: SpecialPoolDamage["kind"], block: bigint, details: readonly [bigint, bigint] = [0n, 0n]) {
    super(`special pool: ${kind}`);
    this.kind = kind;
    this.block = block;
    this.details = details;
  }
}

/**
 * A pool whose blocks have a page each, at its end, and a page that is not there behind it ("verify end"): who writes past a block
 * faults at the write. Or they are at its start, with such a page in front ("verify start"): who writes before a block faults. The rest of the page has a pattern, which is looked at when the block is freed. A freed page goes at once, and
 * its address is used again after all the others, so that who touches a freed block faults too.
 */
export class SpecialPool {
  readonly start: bigint;
  readonly end: bigint;
  /** Blocks are at the start of their pages. */
  readonly atStart: boolean;
  readonly #queue: bigint;
  readonly #table: bigint;
  readonly #memory: KernelMemory;
  readonly #tables: PageTables;
  readonly #frames: PageFrames;

  /**
   * @param place.queue address of MiSpecialPool
   * @param place.table address of `specialPoolTableBytes`
   */
  constructor(
    place: {
      readonly start: bigint;
      readonly queue: bigint;
      readonly table: bigint;
      readonly physicalPages: number;
      readonly atStart: boolean;
    },
    memory: KernelMemory,
    tables: PageTables,
    frames: PageFrames,
  ) {
    const pairs = pairsFor(place.physicalPages);
    this.start = place.start;
    this.end = place.start + BigInt(pairs) * PAIR_BYTES + BigInt(PAGE_SIZE);
    this.atStart = place.atStart;
    this.#queue = place.queue;
    this.#table = place.table;
    this.#memory = memory;
    this.#tables = tables;
    this.#frames = frames;
    const links = new Uint8Array(pairs * ENTRY_BYTES);
    const view = new DataView(links.buffer);
    for (let pair = 0; pair + 1 < pairs; pair++) view.setUint16(pair * ENTRY_BYTES, pair + 2, true);
    memory.processor.write(place.table, links);
    const mostInUse = Math.floor(place.physicalPages / SHARE_OF_MEMORY);
    memory.put(specialPoolQueue, place.queue, { first: 1, last: pairs, inUse: 0, mostInUse });
  }

  contains(address: bigint): boolean {
    return address >= this.start && address < this.end;
  }

  /** Only blocks that leave room for the header in their page are taken. */
  fits(bytes: number): boolean {
    return bytes <= LARGEST_BLOCK;
  }

  /** Address of a block at the start of its page, or that ends at its end or up to 15 bytes before; 0 when this pool is used up. */
  allocate(bytes: number, tag: number): bigint {
    const first = this.#get("first");
    if (first === 0 || this.#get("inUse") >= this.#get("mostInUse") || this.#frames.available <= FRAMES_KEPT) return 0n;
    const { processor } = this.#memory;
    const next = processor.readU16(this.#entry(first - 1));
    this.#memory.put(specialPoolQueue, this.#queue, {
      first: next,
      last: next === 0 ? 0 : this.#get("last"),
      inUse: this.#get("inUse") + 1,
    });
    const page = this.start + BigInt(first - 1) * PAIR_BYTES + BigInt(PAGE_SIZE);
    this.#tables.map(page, this.#frames.take(), PAGE_KIND.kernelData);
    // An odd byte that is another one at another time: what was read out of an older block is not taken for the pattern.
    const pattern = processor.readU8(USER_SHARED_DATA_ADDRESS + BigInt(userSharedData.fields.tickCount.offset)) | 1;
    processor.write(page, new Uint8Array(PAGE_SIZE).fill(pattern));
    const header = { bytes, pattern, reserved: 0, poolTag: tag, reserved2: 0n };
    this.#memory.put(specialPoolHeader, page + BigInt(this.#headerOffset), header);
    return page + BigInt(this.#startOf(bytes));
  }

  /** @throws SpecialPoolDamage when the address is no block's, or something else in its page has changed */
  free(address: bigint): void {
    const page = address & ~0xfffn;
    if (!this.hasBlock(page)) throw new SpecialPoolDamage("notAllocated", address);
    this.look(address);
    const { processor } = this.#memory;
    this.#frames.give(this.#tables.unmap(page)!);
    const pair = Number((page - this.start - BigInt(PAGE_SIZE)) / PAIR_BYTES) + 1;
    const last = this.#get("last");
    processor.writeU16(this.#entry(pair - 1), 0);
    if (last > 0) processor.writeU16(this.#entry(last - 1), pair);
    this.#memory.put(specialPoolQueue, this.#queue, {
      first: last > 0 ? this.#get("first") : pair,
      last: pair,
      inUse: this.#get("inUse") - 1,
    });
  }

  /** @throws SpecialPoolDamage when something in the page of a block has changed, or the block does not begin there */
  look(address: bigint): void {
    const page = address & ~0xfffn;
    const content = this.#memory.processor.read(page, PAGE_SIZE);
    const { bytes, pattern, reserved, reserved2 } = specialPoolHeader.read(content, this.#headerOffset);
    // A header that cannot be one was written over, and says nothing of the block any more.
    if (bytes > LARGEST_BLOCK || (pattern & 1) === 0 || reserved !== 0 || reserved2 !== 0n)
      throw new SpecialPoolDamage("damagedBefore", address, [page, 0n]);
    const start = this.#startOf(bytes);
    if (address !== page + BigInt(start))
      throw new SpecialPoolDamage("badAddress", address, [BigInt(bytes), BigInt(PAGE_SIZE) - (address & 0xfffn)]);
    this.#examine(address, content, { start, end: start + bytes, pattern });
  }

  /** The tag of the block in the page of an address; null where none is. */
  tagOf(address: bigint): number | null {
    const page = address & ~0xfffn;
    if (!this.hasBlock(page)) return null;
    return this.#memory.processor.readU32(page + BigInt(this.#headerOffset + specialPoolHeader.fields.poolTag.offset));
  }

  /** The page of an address of this pool holds a block. */
  hasBlock(address: bigint): boolean {
    return this.#tables.translate(address) !== null;
  }

  /** Of bytes that have changed before the block, the one nearest to it is told: a driver that runs over the start of its block begins there. */
  #examine(address: bigint, content: Uint8Array, block: { start: number; end: number; pattern: number }): void {
    const { start, end, pattern } = block;
    let nearest = -1;
    let bits = 0;
    for (let at = 0; at < PAGE_SIZE; at++) {
      if (at === this.#headerOffset) at += specialPoolHeader.size;
      if (at === start) at = end;
      const changed = (content[at] ?? pattern) ^ pattern;
      if (changed === 0) continue;
      if (at < start || nearest < 0) nearest = at;
      for (let left = changed; left !== 0; left &= left - 1) bits++;
    }
    if (nearest < 0) return;
    // Every byte differs from the pattern in the same bit: it is the header's copy of the pattern that has changed.
    const around = start - specialPoolHeader.size + PAGE_SIZE - end;
    const isHeader = bits === around && isSame(content.subarray(specialPoolHeader.size, start));
    if (isHeader) nearest = specialPoolHeader.fields.pattern.offset;
    const kind = bits === 1 || isHeader ? "singleBit" : nearest < start ? "damagedBefore" : "damagedBehind";
    throw new SpecialPoolDamage(kind, address, [(address & ~0xfffn) + BigInt(nearest), 0n]);
  }

  /** Where in a page its header is. */
  get #headerOffset(): number {
    return this.atStart ? PAGE_SIZE - specialPoolHeader.size : 0;
  }

  /** Where in its page a block begins. */
  #startOf(bytes: number): number {
    return this.atStart ? 0 : PAGE_SIZE - Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
  }

  #entry(pair: number): bigint {
    return this.#table + BigInt(pair * ENTRY_BYTES);
  }

  #get(field: keyof typeof specialPoolQueue.fields): number {
    return this.#memory.processor.readU32(this.#queue + BigInt(specialPoolQueue.fields[field].offset));
  }
}

const isSame = (bytes: Uint8Array): boolean => bytes.length > 1 && bytes.every((byte) => byte === bytes[0]);
