import { PAGE_SIZE } from "../../binary/index.ts";
import { POOL_UNIT, poolHeader } from "../../dumpfile/index.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import type { PageFrames } from "./page-frames.ts";
import { PAGE_KIND } from "./page-table-entry.ts";
import type { PageTables } from "./page-tables.ts";
import { PoolDamage } from "./pool-damage.ts";

/** Pages of a pool's range of addresses; they get memory when they are first used. */
export const POOL_PAGES = 4096;

const UNITS_PER_PAGE = PAGE_SIZE / POOL_UNIT;
const LARGEST_UNITS = UNITS_PER_PAGE - 1;

/** A pool's descriptor in .data: counters, one list of free blocks for each size, and which pages are taken. */
const LISTS = 0x20n;
const USED_PAGES = LISTS + BigInt(UNITS_PER_PAGE) * 16n;
/** A second bitmap: the last page of each allocation of pages. */
const LAST_PAGES = USED_PAGES + BigInt(POOL_PAGES / 8);
export const POOL_DESCRIPTOR_BYTES = Number(LAST_PAGES) + POOL_PAGES / 8;
const ALLOCATIONS = 0x00n;
const FREES = 0x08n;
const PAGES_IN_USE = 0x10n;
/** Page that the next search begins at, where freed pages are protected. */
const NEXT_PAGE = 0x18n;

export type PoolKind = "nonpaged" | "paged";
const POOL_TYPE: Readonly<Record<PoolKind, number>> = { nonpaged: 0, paged: 1 };
/** In `poolType` of a header: the type plus one, and this bit while the block is allocated. */
const IN_USE = 0x2;

/** Four letters as a pool tag holds them: the first in the lowest byte. */
export const poolTag = (letters: string): number =>
  [...letters.padEnd(4, " ")].reduce((tag, letter, index) => tag | (letter.charCodeAt(0) << (8 * index)), 0) >>> 0;

/**
 * One pool. Blocks below a page have a POOL_HEADER and are split and joined within their page; larger ones are whole
 * pages. Headers, lists and bitmaps lie in guest memory, nothing of a pool lies anywhere else: whoever writes past a block
 * damages them. What is read from there is held against its neighbours before it is believed.
 */
export class Pool {
  readonly kind: PoolKind;
  readonly start: bigint;
  readonly #memory: KernelMemory;
  readonly #tables: PageTables;
  readonly #frames: PageFrames;
  readonly #descriptor: bigint;
  readonly #protectsFreed: boolean;

  /** @param place.protectsFreed pages without a block go at once, and their addresses come back after all others: who touches one faults */
  constructor(
    kind: PoolKind,
    place: { readonly start: bigint; readonly descriptor: bigint; readonly protectsFreed: boolean },
    memory: KernelMemory,
    tables: PageTables,
    frames: PageFrames,
  ) {
    this.kind = kind;
    this.start = place.start;
    this.#descriptor = place.descriptor;
    this.#protectsFreed = place.protectsFreed;
    this.#memory = memory;
    this.#tables = tables;
    this.#frames = frames;
    tables.entry(this.start); // the root's entry has to be there before other processes share it
    for (let units = 0; units < UNITS_PER_PAGE; units++) memory.initializeList(this.#list(units));
  }

  get end(): bigint {
    return this.start + BigInt(POOL_PAGES * PAGE_SIZE);
  }

  contains(address: bigint): boolean {
    return address >= this.start && address < this.end;
  }

  /** Address of a block of at least so many bytes; 0 when the pool is full. @throws PoolDamage */
  allocate(bytes: number, tag: number): bigint {
    this.#count(ALLOCATIONS, 1n);
    const units = Math.ceil((bytes + poolHeader.size) / POOL_UNIT);
    if (units > LARGEST_UNITS) return this.allocatePages(Math.ceil(bytes / PAGE_SIZE));
    const { processor } = this.#memory;
    for (let candidate = units; candidate < UNITS_PER_PAGE; candidate++) {
      const list = this.#list(candidate);
      const link = processor.readU64(list);
      if (link === list) continue;
      const block = link - BigInt(poolHeader.size);
      if (this.#sizes(block).blockSize !== candidate || !this.#isFree(block))
        throw new PoolDamage({ kind: "bad entry", entry: block });
      this.#unlink(link);
      return this.#take(block, units, tag);
    }
    const page = this.allocatePages(1);
    if (page === 0n) return 0n;
    // A page of blocks begins as one that takes all but the last unit, which is never handed out.
    this.#header(page, { previousSize: 0, blockSize: LARGEST_UNITS });
    return this.#take(page, units, tag);
  }

  /** The tag of a block with a header that is not freed; null for any other. */
  tagOf(address: bigint): number | null {
    const block = address - BigInt(poolHeader.size);
    if ((address & 0xfffn) === 0n || this.#isFree(block)) return null;
    return this.#memory.processor.readU32(block + BigInt(poolHeader.fields.poolTag.offset));
  }

  /** Whether the header in front of a block is what it was when so many bytes were asked for with this tag. A block of whole pages has none. */
  isAsAllocated(address: bigint, bytes: number, tag: number): boolean {
    if ((address & 0xfffn) === 0n) return true;
    const units = Math.ceil((bytes + poolHeader.size) / POOL_UNIT);
    const { blockSize } = this.#sizes(address - BigInt(poolHeader.size));
    return (blockSize === units || blockSize === units + 1) && this.tagOf(address) === tag;
  }

  /** @throws PoolDamage */
  free(address: bigint): void {
    this.#count(FREES, 1n);
    if ((address & 0xfffn) === 0n) this.freePages(address);
    else this.#freeBlock(address - BigInt(poolHeader.size));
  }

  #freeBlock(freed: bigint): void {
    let block = freed;
    let { blockSize, previousSize } = this.#sizes(block);
    const next = this.#nextOf(block);
    const before = this.#beforeOf(block);
    if (this.#isFree(block))
      throw new PoolDamage({ kind: "freed twice", entry: block, header: this.#headerWord(block) });
    if (!isPageEnd(next) && this.#isFree(next)) {
      this.#nextOf(next);
      this.#unlink(next + BigInt(poolHeader.size));
      blockSize += this.#sizes(next).blockSize;
    }
    if (previousSize > 0 && this.#isFree(before)) {
      this.#unlink(before + BigInt(poolHeader.size));
      blockSize += previousSize;
      previousSize = this.#memory.processor.readU8(before);
      block = before;
    }
    if (this.#protectsFreed && blockSize === LARGEST_UNITS) {
      this.freePages(block);
      return;
    }
    this.#header(block, { previousSize, blockSize });
    this.#tellNext(block, blockSize);
    this.#memory.insertHead(this.#list(blockSize), block + BigInt(poolHeader.size));
  }

  /** Consecutive pages, zeroed; 0 when there is no such run. */
  allocatePages(count: number): bigint {
    const first = this.#protectsFreed ? this.#findPagesOnward(count) : this.#findPages(count, 0);
    if (first < 0) return 0n;
    for (let page = first; page < first + count; page++) {
      this.#setBit(USED_PAGES, page, true);
      this.#tables.map(this.#page(page), this.#frames.takeZeroed(), PAGE_KIND.kernelData);
    }
    this.#setBit(LAST_PAGES, first + count - 1, true);
    this.#count(PAGES_IN_USE, BigInt(count));
    return this.#page(first);
  }

  freePages(address: bigint): void {
    let page = Number((address - this.start) / BigInt(PAGE_SIZE));
    for (let last = false; !last; page++) {
      last = this.#bit(LAST_PAGES, page);
      this.#setBit(USED_PAGES, page, false);
      this.#setBit(LAST_PAGES, page, false);
      const frame = this.#tables.unmap(this.#page(page));
      if (frame !== null) this.#frames.give(frame);
      this.#count(PAGES_IN_USE, -1n);
    }
  }

  /** Cuts what is too much off a free block and marks the rest as taken. */
  #take(block: bigint, units: number, tag: number): bigint {
    const { blockSize, previousSize } = this.#sizes(block);
    const left = blockSize - units;
    const given = left > 1 ? units : blockSize;
    if (left > 1) {
      const rest = block + BigInt(units * POOL_UNIT);
      this.#header(rest, { previousSize: units, blockSize: left });
      this.#tellNext(rest, left);
      this.#memory.insertHead(this.#list(left), rest + BigInt(poolHeader.size));
    }
    this.#memory.put(poolHeader, block, {
      previousSize,
      blockSize: given,
      poolType: (POOL_TYPE[this.kind] + 1) | IN_USE,
      poolTag: tag,
      processBilled: 0n,
    });
    return block + BigInt(poolHeader.size);
  }

  /** The block behind, or the end of the page, where both headers say the same of it. */
  #nextOf(block: bigint): bigint {
    const { blockSize } = this.#sizes(block);
    const next = block + BigInt(blockSize * POOL_UNIT);
    const end = Number(block & 0xfffn) + blockSize * POOL_UNIT;
    const agree = end === LARGEST_UNITS * POOL_UNIT || this.#sizes(next).previousSize === blockSize;
    if (blockSize === 0 || end > LARGEST_UNITS * POOL_UNIT || !agree)
      throw new PoolDamage({ kind: "size", entry: block, next });
    return next;
  }

  /** The block in front, or the block itself where it is its page's first. */
  #beforeOf(block: bigint): bigint {
    const { previousSize } = this.#sizes(block);
    const before = block - BigInt(previousSize * POOL_UNIT);
    const isFirst = (block & 0xfffn) === 0n;
    const agree = isFirst
      ? previousSize === 0
      : previousSize > 0 && before >= (block & ~0xfffn) && this.#sizes(before).blockSize === previousSize;
    if (!agree) throw new PoolDamage({ kind: "neighbours", before, entry: block });
    return before;
  }

  /** Takes a free block off its list, when its neighbours there know it. */
  #unlink(link: bigint): void {
    const { processor } = this.#memory;
    const [flink, blink] = [processor.readU64(link), processor.readU64(link + 8n)];
    for (const neighbour of [flink, blink])
      if (!this.#canBeLink(neighbour)) throw new PoolDamage({ kind: "wild link", address: neighbour });
    const [back, forth] = [processor.readU64(flink + 8n), processor.readU64(blink)];
    if (back !== link || forth !== link) {
      const entry = link - BigInt(poolHeader.size);
      throw new PoolDamage({ kind: "list", entry, flink: forth, blink: back });
    }
    this.#memory.removeEntry(link);
  }

  /** The address is that of a list's head, or lies in a page that the pool uses, where a free block's link can lie. */
  #canBeLink(address: bigint): boolean {
    if (address >= this.#list(0) && address < this.#list(UNITS_PER_PAGE))
      return ((address - this.#list(0)) & 0xfn) === 0n;
    const isAligned = (address & 0xfn) === 0n;
    return (
      isAligned && this.contains(address) && this.#bit(USED_PAGES, Number((address - this.start) / BigInt(PAGE_SIZE)))
    );
  }

  #headerWord(block: bigint): bigint {
    return this.#memory.processor.readU64(block);
  }

  #sizes(block: bigint): { blockSize: number; previousSize: number } {
    const header = this.#memory.processor.readU32(block);
    const shift = (field: { readonly offset: number }) => (header >>> (8 * field.offset)) & 0xff;
    return { blockSize: shift(poolHeader.fields.blockSize), previousSize: shift(poolHeader.fields.previousSize) };
  }

  #header(block: bigint, sizes: { previousSize: number; blockSize: number }): void {
    this.#memory.put(poolHeader, block, { ...sizes, poolType: 0 });
  }

  /** The block behind keeps the size of the one before it, so that both can be joined. */
  #tellNext(block: bigint, units: number): void {
    const next = block + BigInt(units * POOL_UNIT);
    if (!isPageEnd(next)) this.#memory.processor.writeU8(next, units);
  }

  #isFree(block: bigint): boolean {
    return this.#memory.processor.readU8(block + BigInt(poolHeader.fields.poolType.offset)) === 0;
  }

  #list(units: number): bigint {
    return this.#descriptor + LISTS + BigInt(units * 16);
  }

  #page(index: number): bigint {
    return this.start + BigInt(index * PAGE_SIZE);
  }

  #count(counter: bigint, by: bigint): void {
    const { processor } = this.#memory;
    processor.writeU64(this.#descriptor + counter, processor.readU64(this.#descriptor + counter) + by);
  }

  /** Onward from where the last search ended, and only then from the start. */
  #findPagesOnward(count: number): number {
    const { processor } = this.#memory;
    const onward = this.#findPages(count, Number(processor.readU64(this.#descriptor + NEXT_PAGE)));
    const first = onward < 0 ? this.#findPages(count, 0) : onward;
    if (first >= 0) processor.writeU64(this.#descriptor + NEXT_PAGE, BigInt(first + count));
    return first;
  }

  #findPages(count: number, from: number): number {
    const used = this.#memory.processor.read(this.#descriptor + USED_PAGES, POOL_PAGES / 8);
    for (let page = from, run = 0; page < POOL_PAGES; page++) {
      run = (used[page >> 3]! >> (page & 7)) & 1 ? 0 : run + 1;
      if (run === count) return page - count + 1;
    }
    return -1;
  }

  #bit(bitmap: bigint, page: number): boolean {
    return ((this.#memory.processor.readU8(this.#descriptor + bitmap + BigInt(page >> 3)) >> (page & 7)) & 1) === 1;
  }

  #setBit(bitmap: bigint, page: number, value: boolean): void {
    const at = this.#descriptor + bitmap + BigInt(page >> 3);
    const old = this.#memory.processor.readU8(at);
    this.#memory.processor.writeU8(at, value ? old | (1 << (page & 7)) : old & ~(1 << (page & 7)));
  }
}

/** The last unit of a page belongs to no block. */
function isPageEnd(address: bigint): boolean {
  return Number(address & 0xfffn) >= PAGE_SIZE - POOL_UNIT;
}
