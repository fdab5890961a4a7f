import { hex, joinAddress } from "../../binary/index.ts";
import { CR4_PKE, PageWalker } from "../../paging/index.ts";
import { MAX_PHYSICAL_ADDRESS_BITS } from "../frame-map.ts";
import type { Partition } from "../partition.ts";
import { standIn } from "../stand-in.ts";
import { FLUSH_ALL, FLUSH_PCID, type FlushRecord, highBit, lowBit } from "../translation/flush-journal.ts";
import { CachingEngine, type TlbContext } from "../translation/physical-tlb.ts";
import type { AddressSpace } from "../translation/shadow/address-spaces.ts";
import { levelsOf } from "../translation/shadow/guest-walk.ts";
import type { ShadowPageTables } from "../translation/shadow/index.ts";
import { ROLES, rootRole } from "../translation/shadow/role.ts";
import type { VirtualProcessor } from "../virtual-processor.ts";
import { type Armed, type Struck, together } from "./occasion.ts";

const PAGE = 4096;
const PAGE_BITS = ~0xfff;

/** A flush of an address space that was asked for is not carried out in the shadow tables. */
export function lostSpaceFlush(tables: ShadowPageTables, struck: Struck): Armed {
  return standIn(tables.flushes, "space", (flushSpace, space) => {
    const asked = lastFlush(tables);
    if (asked === undefined || asked.pages > 0 || asked.serial <= space.flushedAt || !takes(asked, space))
      flushSpace(space);
    else struck({});
  });
}

/** A flush of a page is not carried out in the shadow tables. */
export function lostPageFlush(tables: ShadowPageTables, struck: Struck): Armed {
  return standIn(tables.flushes, "page", (flushPage, pcid, high, low) => {
    if ([...tables.spaces].some((space) => space.pcid === pcid))
      struck({ linearAddress: hex(joinAddress(high, low & PAGE_BITS)) });
    else flushPage(pcid, high, low);
  });
}

/** The word that a processor is to forget everything is not left. */
export function lostWord(partition: Partition, tables: ShadowPageTables, struck: Struck): Armed {
  return standIn(tables.shootdown, "one", (one, number) => {
    const asked = lastFlush(tables);
    const processor = partition.processors[number];
    const isPending = tables.shootdown.left(number) === null;
    const matters =
      asked !== undefined &&
      asked.pages === 0 &&
      isNamed(asked, number) &&
      asked.serial === tables.pool.now - flushedSpaces(tables, asked) &&
      !isPending &&
      processor !== undefined &&
      holds(processor, (context) => context.bornAt < asked.serial && context.pcid >= 0 && takes(asked, context));
    if (matters) struck({});
    else one(number);
  });
}

/** A page of a processor's TLB is not dropped: by its own INVLPG, or when it takes the word that another processor left. */
export function lostPageInTlb(partition: Partition, tables: ShadowPageTables, struck: Struck): Armed {
  const armed = partition.processors.flatMap((processor) => {
    const { translation } = processor;
    if (!(translation instanceof CachingEngine)) return [];
    const target = translation as unknown as { dropAddress: (low: number) => void };
    return [
      standIn(target, "dropAddress", (dropAddress, low) => {
        const high = highOfOutdated(partition, tables, processor, low);
        if (high === null) dropAddress(low);
        else struck({ linearAddress: hex(joinAddress(high, low & PAGE_BITS)) });
      }),
    ];
  });
  return together(armed);
}

function lastFlush(tables: ShadowPageTables): FlushRecord | undefined {
  return [...tables.flushes.journal].at(-1);
}

/** Each address space that was flushed has taken a serial number of its own. */
function flushedSpaces(tables: ShadowPageTables, asked: FlushRecord): number {
  return [...tables.spaces].filter((space) => takes(asked, space)).length;
}

function isNamed({ processorsLow, processorsHigh }: FlushRecord, processor: number): boolean {
  return ((processorsLow & lowBit(processor)) | (processorsHigh & highBit(processor))) !== 0;
}

function takes({ scope, of }: FlushRecord, { tag, pcid }: AddressSpace | TlbContext): boolean {
  return scope === FLUSH_ALL || of === (scope === FLUSH_PCID ? pcid : tag);
}

function holds({ translation }: VirtualProcessor, belongs: (context: TlbContext) => boolean): boolean {
  if (!(translation instanceof CachingEngine)) return false;
  const numbers = new Set(
    translation
      .contexts()
      .filter(belongs)
      .map(({ number }) => number),
  );
  let found = false;
  translation.eachSlot((space) => {
    found ||= numbers.has(space);
  });
  return found;
}

/**
 * Whether the TLB holds at an address what the guest's tables do not give any more, and what a flush on record was to take.
 * @returns the upper half of the address; null where it does not
 */
function highOfOutdated(
  partition: Partition,
  tables: ShadowPageTables,
  { index, registers, translation }: VirtualProcessor,
  low: number,
): number | null {
  const forgetsAnyway = tables.shootdown.left(index) === null;
  if (forgetsAnyway || !(translation instanceof CachingEngine)) return null;
  const { memory } = partition;
  const { cr0, cr3, cr4, efer } = registers;
  const state = { cr0: Number(cr0), cr3: Number(cr3), cr4: Number(cr4), efer: Number(efer), pkru: 0 };
  const isThere = (gpa: number) => memory.pageState(Math.floor(gpa / PAGE)) === "present";
  const walker = new PageWalker(
    { readWord: (gpa) => (isThere(gpa) ? memory.readWord(gpa) : 0) },
    { maxPhysicalAddressBits: MAX_PHYSICAL_ADDRESS_BITS, setFlags: false },
  );
  // Keys are not asked: they say nothing of where a page lies.
  const unkeyed = { ...state, cr4: state.cr4 & ~CR4_PKE };
  const control = levelsOf(state) * ROLES + rootRole(state);
  const context = translation.contexts().find((each) => each.tag === state.cr3 && each.control === control);
  if (context === undefined) return null;
  const flushes = [...tables.flushes.journal].filter((flush) => isNamed(flush, index) && takes(flush, context));
  let found: number | null = null;
  translation.eachSlot((space, slotHigh, slotLow, access, address, large) => {
    if (large || slotLow >>> 12 !== low >>> 12 || space !== context.number) return;
    const permitted = walker.walk(unkeyed, slotHigh, slotLow, access);
    const frame = permitted ? memory.hostFrame(Math.floor(walker.physicalAddress / PAGE)) : null;
    if (frame !== address >>> 12 && flushes.some((flush) => covers(flush, slotHigh, slotLow))) found = slotHigh;
  });
  return found;
}

function covers({ high, low, pages }: FlushRecord, slotHigh: number, slotLow: number): boolean {
  const first = joinAddress(high, low & PAGE_BITS);
  const page = joinAddress(slotHigh, slotLow);
  return page >= first && page < first + BigInt(pages * PAGE);
}
