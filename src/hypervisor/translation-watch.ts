import { joinAddress, PAGE_SIZE } from "../binary/index.ts";
import { CR4_PCIDE, CR4_PKE, PageWalker, tableIndex } from "../paging/index.ts";
import { MAX_PHYSICAL_ADDRESS_BITS } from "./frame-map.ts";
import type { GuestPhysicalMemory } from "./guest-memory.ts";
import type { Partition } from "./partition.ts";
import { standIn } from "./stand-in.ts";
import { FLUSH_ALL_ADDRESS_SPACES, type FlushTarget, listedPages } from "./translation/flush-target.ts";
import { CachingEngine } from "./translation/physical-tlb.ts";
import type { AddressSpace } from "./translation/shadow/address-spaces.ts";
import { CHILD_SHIFT, ENTRIES, LINK, STATE, WORDS } from "./translation/shadow/entry.ts";
import type { ShadowPageTables } from "./translation/shadow/index.ts";
import { ROLE_DIRECT } from "./translation/shadow/role.ts";
import type { VirtualProcessor } from "./virtual-processor.ts";

/** Consecutive pages from a linear address on. */
interface Pages {
  readonly start: bigint;
  readonly pages: number;
}

/** No shadow page, no entry. */
const NOWHERE = -1;

type Belongs = (space: AddressSpace) => boolean;

/** What of an engine is stood in for. */
interface Missing {
  catchUp(): void;
  miss(high: number, low: number, access: number): number;
}

/**
 * Looks over each translation of a partition as it is made, and over each flush as it ends, and tells of what cannot be told to be right
 * while the guest waits: what an audit finds now, it may not find after the guest has written its tables once more. A doubt is no
 * finding; translations that the guest has not flushed yet raise one too. Where there are no shadow tables there is nothing to doubt.
 * @param doubt may end the partition: then it executes nothing more
 */
export function watchTranslations(partition: Partition, doubt: () => void): void {
  const tables = partition.shadowTables;
  if (tables === null) return;
  const tell = () => {
    doubt();
    partition.mustRun();
  };
  for (const processor of partition.processors) {
    watchFills(partition, tables, processor, tell);
    watchWords(tables, processor, tell);
    watchInstructions(tables, processor, tell);
  }
  watchHypercalls(partition, tables, tell);
}

/** What is used for an access, and what the TLB keeps of it, against the guest's tables as they stand. */
function watchFills(
  { memory }: Partition,
  tables: ShadowPageTables,
  processor: VirtualProcessor,
  tell: () => void,
): void {
  const engine = processor.translation;
  if (!(engine instanceof CachingEngine)) return;
  const fills = () => processor.translationCounters().pageFaultIntercepts;
  const isThere = (gpa: number) => memory.pageState(Math.floor(gpa / PAGE_SIZE)) === "present";
  const walker = new PageWalker(
    { readWord: (gpa) => (isThere(gpa) ? memory.readWord(gpa) : 0) },
    { maxPhysicalAddressBits: MAX_PHYSICAL_ADDRESS_BITS, setFlags: false },
  );
  standIn(engine as unknown as Missing, "miss", (miss, high, low, access) => {
    const before = fills();
    const address = miss(high, low, access);
    if (address < 0) return address;
    const { cr0, cr3, cr4, efer } = processor.registers;
    // Keys are not asked: they say nothing of where a page lies.
    const state = { cr0: Number(cr0), cr3: Number(cr3), cr4: Number(cr4) & ~CR4_PKE, efer: Number(efer), pkru: 0 };
    const permitted = walker.walk(state, high, low, access);
    const frame = permitted ? memory.hostFrame(Math.floor(walker.physicalAddress / PAGE_SIZE)) : null;
    const kept = engine.keptAt(high, low, access);
    const isWrong = frame !== address >>> 12 || (kept !== null && kept !== frame);
    // What was filled ahead is looked over now: it may be gone before anybody uses it, and then what is wrong is never known.
    if (isWrong || (fills() !== before && !areNeighboursRight(memory, tables, Number(cr3), high, low))) tell();
    return address;
  });
}

/** A processor that takes what was left for it to forget keeps nothing of it. */
function watchWords({ shootdown }: ShadowPageTables, processor: VirtualProcessor, tell: () => void): void {
  const engine = processor.translation;
  if (!(engine instanceof CachingEngine)) return;
  standIn(engine as unknown as Missing, "catchUp", (catchUp) => {
    const left = [...(shootdown.left(processor.index) ?? [])];
    catchUp();
    const ranges = left.map(({ high, low, pages }) => ({ start: joinAddress(high, low), pages }));
    if (ranges.some((range) => eachPage(range, (_, low) => engine.keeps(low)))) tell();
  });
}

function watchInstructions(tables: ShadowPageTables, processor: VirtualProcessor, tell: () => void): void {
  const engine = processor.translation;
  const afterPage = (before: number, belongs: Belongs, address: bigint) => {
    const pages = { start: address, pages: 1 };
    const isKept = engine instanceof CachingEngine && eachPage(pages, (_, low) => engine.keeps(low));
    if (isKept || survives(tables, before, belongs, pages)) tell();
  };
  standIn(processor, "invlpg", (invlpg, address) => {
    const before = tables.pool.now;
    invlpg(address);
    const { pcid } = loadOf(processor, processor.registers.cr3);
    afterPage(before, (space) => space.pcid === pcid, address);
  });
  standIn(processor, "moveToCr3", (moveToCr3, value) => {
    const before = tables.pool.now;
    moveToCr3(value);
    const { pcid, keeps } = loadOf(processor, value);
    if (!keeps && hasMissed(tables, before, (space) => space.pcid === pcid)) tell();
  });
  standIn(processor, "invpcid", (invpcid, type, pcid, address) => {
    const before = tables.pool.now;
    invpcid(type, pcid, address);
    const belongs: Belongs = (space) => type > 1 || space.pcid === pcid;
    if (type === 0) afterPage(before, belongs, address);
    else if (hasMissed(tables, before, belongs)) tell();
  });
}

/** What a value for CR3 means: whose translations are flushed when it is loaded, and whether they are kept instead. */
function loadOf({ registers }: VirtualProcessor, value: bigint): { readonly pcid: number; readonly keeps: boolean } {
  const identified = (Number(registers.cr4) & CR4_PCIDE) !== 0;
  return { pcid: identified ? Number(value & 0xfffn) : 0, keeps: identified && value >> 63n !== 0n };
}

function watchHypercalls(partition: Partition, tables: ShadowPageTables, tell: () => void): void {
  const spacesOf =
    ({ flags, addressSpace }: FlushTarget): Belongs =>
    ({ tag }) =>
      (flags & FLUSH_ALL_ADDRESS_SPACES) !== 0 || tag === Number(addressSpace);
  standIn(partition, "flushAddressSpace", (flush, target) => {
    const before = tables.pool.now;
    const status = flush(target);
    if (status === "done" && hasMissed(tables, before, spacesOf(target))) tell();
    return status;
  });
  standIn(partition, "flushAddressList", (flush, target, list) => {
    const before = tables.pool.now;
    const result = flush(target, list);
    const isDone = result.status === "done";
    if (isDone && list.some((entry) => survives(tables, before, spacesOf(target), listedPages(entry)))) tell();
    return result;
  });
}

/** Whether an address space has not seen a flush of all of it that began after `before`. */
function hasMissed({ spaces }: ShadowPageTables, before: number, belongs: Belongs): boolean {
  return [...spaces].some((space) => belongs(space) && space.flushedAt <= before);
}

/** Whether an address space has not seen a flush of pages that began after `before`, or still has a shadow entry at a page of it. */
function survives(tables: ShadowPageTables, before: number, belongs: Belongs, pages: Pages): boolean {
  return [...tables.spaces].some(
    (space) =>
      belongs(space) &&
      (space.waysFlushedAt <= before || eachPage(pages, (high, low) => isShadowed(tables, space, high, low))),
  );
}

/** Whether all leaves of the shadow page that maps an address lead where the partition's map says. */
function areNeighboursRight(
  memory: GuestPhysicalMemory,
  tables: ShadowPageTables,
  tag: number,
  high: number,
  low: number,
): boolean {
  const { pool, spaces } = tables;
  const space = spaces.of(tag);
  const page = space === undefined ? NOWHERE : entryOf(tables, space, high, low) >> 9;
  if (page < 0 || pool.level[page] !== 1) return true;
  for (let entry = page * ENTRIES; entry < (page + 1) * ENTRIES; entry++)
    if (isOccupied(tables, entry) && pool.entries[entry * WORDS]! >>> 12 !== memory.hostFrame(pool.guestFrame(entry)))
      return false;
  return true;
}

/** Whether a shadow entry maps an address in the topmost page that its space used last, or links to its pieces. */
function isShadowed(tables: ShadowPageTables, space: AddressSpace, high: number, low: number): boolean {
  const entry = entryOf(tables, space, high, low);
  return entry >= 0 && isOccupied(tables, entry);
}

/** Where the way to an address ends, from the topmost page that its space used last: at a leaf, at a link to pieces, or where nothing is. */
function entryOf({ pool }: ShadowPageTables, space: AddressSpace, high: number, low: number): number {
  let page = space.roots.get(space.lastRoot) ?? NOWHERE;
  if (page < 0) return NOWHERE;
  for (;;) {
    const entry = page * ENTRIES + tableIndex(pool.level[page]!, high, low);
    const state = pool.entries[entry * WORDS + STATE]!;
    const child = state >>> CHILD_SHIFT;
    if ((state & LINK) === 0 || (pool.role[child]! & ROLE_DIRECT) !== 0) return entry;
    page = child;
  }
}

function isOccupied({ pool }: ShadowPageTables, entry: number): boolean {
  return (pool.occupied[entry >>> 5]! & (1 << (entry & 31))) !== 0;
}

function eachPage({ start, pages }: Pages, holds: (high: number, low: number) => boolean): boolean {
  for (let page = 0; page < pages; page++) {
    const address = start + BigInt(page * PAGE_SIZE);
    if (holds(Number(BigInt.asIntN(32, address >> 32n)), Number(BigInt.asIntN(32, address)))) return true;
  }
  return false;
}
