import { bitsOf } from "../flush-journal.ts";
import type { AddressSpace } from "./address-spaces.ts";
import { type ShadowCounters, shadowCounters } from "./counters.ts";
import { isCanonical } from "./guest-walk.ts";
import type { ShadowPageTables } from "./page-tables.ts";

/** Flags of the flush hypercalls (systems.md 1.3). */
export const FLUSH_ALL_PROCESSORS = 1;
export const FLUSH_ALL_ADDRESS_SPACES = 2;
/** Global entries may stay. Not for lists. */
export const FLUSH_NON_GLOBAL_ONLY = 4;

const LIST_FLAGS = FLUSH_ALL_PROCESSORS | FLUSH_ALL_ADDRESS_SPACES;
const EXTRA_PAGES = 0xfffn;

/**
 * `inhibited`: a processor that was to be flushed is in the middle of an instruction that its parent completes. The caller
 * is to be suspended with its instruction pointer where it is, and to make the call again when it is resumed; nothing, or of
 * a list no further range, was flushed.
 */
export type FlushStatus = "done" | "invalid-parameter" | "inhibited";

/** A list's answer. */
export interface FlushListResult {
  readonly status: FlushStatus;
  /** Ranges of the list that were flushed. */
  readonly done: number;
}

/** Which processors and address spaces a flush is for. */
export interface FlushTarget {
  /** The guest's CR3; ignored with `FLUSH_ALL_ADDRESS_SPACES`. */
  readonly addressSpace: bigint;
  /** `FLUSH_…` bits; others are invalid. */
  readonly flags: number;
  /** A bit for each virtual processor; ignored with `FLUSH_ALL_PROCESSORS`. */
  readonly processors: bigint;
}

/**
 * The flush hypercalls of a partition, and flush inhibition. When a call is done, no processor it named can translate with
 * what it was to forget: the shadow tables are flushed before it returns, and each processor drops its own TLB's entries
 * before its next translation, without being woken for it.
 */
export class FlushCalls {
  readonly #tables: ShadowPageTables;
  readonly #maxPhysicalAddressBits: number;
  readonly #inhibited = new Set<number>();
  readonly #counters: ShadowCounters = shadowCounters();

  constructor(tables: ShadowPageTables, maxPhysicalAddressBits: number) {
    this.#tables = tables;
    this.#maxPhysicalAddressBits = maxPhysicalAddressBits;
  }

  /**
   * Sets or clears a processor's flush inhibition: set while its parent completes an instruction for it, so that no flush
   * makes a promise about memory that is still being changed. Callers that were told `inhibited` can be resumed when it is
   * cleared.
   */
  inhibit(processor: number, on: boolean): void {
    if (on) this.#inhibited.add(processor);
    else this.#inhibited.delete(processor);
  }

  /** HvCallFlushVirtualAddressSpace. */
  flushAddressSpace(target: FlushTarget): FlushStatus {
    if (!this.#isValid(target, LIST_FLAGS | FLUSH_NON_GLOBAL_ONLY)) return "invalid-parameter";
    const processors = this.#processorsOf(target);
    if (this.#isInhibited(processors)) return "inhibited";
    this.#record(target, processors, 0n, 0);
    if ((target.flags & FLUSH_ALL_ADDRESS_SPACES) !== 0) {
      this.#counters.addressDomainFlushes++;
      this.#tables.flushAll();
    } else {
      this.#counters.addressSpaceFlushes++;
      for (const space of this.#spacesOf(target)) this.#tables.flushSpace(space);
    }
    for (const processor of processors) this.#tables.shootdown.one(processor);
    return "done";
  }

  /**
   * HvCallFlushVirtualAddressList. Each entry of the list is a linear address whose low 12 bits say how many pages more.
   */
  flushAddressList(target: FlushTarget, list: readonly bigint[]): FlushListResult {
    if (!this.#isValid(target, LIST_FLAGS)) return { status: "invalid-parameter", done: 0 };
    const processors = this.#processorsOf(target);
    if (this.#isInhibited(processors)) return { status: "inhibited", done: 0 };
    this.#tables.synchronizeFlags();
    const spaces = this.#spacesOf(target);
    for (const entry of list) {
      this.#record(target, processors, entry & ~EXTRA_PAGES, Number(entry & EXTRA_PAGES) + 1);
      this.#flushRange(entry, spaces, processors);
    }
    if ((target.flags & FLUSH_ALL_ADDRESS_SPACES) !== 0) this.#counters.globalGvaRangeFlushes += list.length;
    else this.#counters.localGvaRangeFlushes += list.length;
    return { status: "done", done: list.length };
  }

  /** What the calls flushed, by the shipped names. */
  counters(): Readonly<Record<string, number>> {
    const { addressDomainFlushes, addressSpaceFlushes, globalGvaRangeFlushes, localGvaRangeFlushes } = this.#counters;
    return { addressDomainFlushes, addressSpaceFlushes, globalGvaRangeFlushes, localGvaRangeFlushes };
  }

  #flushRange(entry: bigint, spaces: readonly AddressSpace[], processors: readonly number[]): void {
    const pages = Number(entry & EXTRA_PAGES) + 1;
    const start = entry & ~EXTRA_PAGES;
    for (let page = 0; page < pages; page++) {
      const { high, low } = halvesOf(start + BigInt(page) * 4096n);
      if (!isCanonical(5, high)) break;
      this.#tables.flushPageIn(spaces, high, low);
    }
    const range = { ...halvesOf(start), pages };
    for (const processor of processors) this.#tables.shootdown.range(processor, range);
  }

  #record({ flags, addressSpace }: FlushTarget, processors: readonly number[], start: bigint, pages: number): void {
    const all = (flags & FLUSH_ALL_ADDRESS_SPACES) !== 0;
    this.#tables.recordFlush({
      scope: all ? "all" : "space",
      of: all ? 0 : Number(addressSpace),
      ...halvesOf(start),
      pages,
      processors: bitsOf(processors),
    });
  }

  #isValid({ addressSpace, flags, processors }: FlushTarget, known: number): boolean {
    if ((flags & ~known) !== 0) return false;
    if ((flags & FLUSH_ALL_PROCESSORS) === 0 && processors === 0n) return false;
    return (flags & FLUSH_ALL_ADDRESS_SPACES) !== 0 || isAddressSpace(addressSpace, this.#maxPhysicalAddressBits);
  }

  #processorsOf({ flags, processors }: FlushTarget): number[] {
    const named: number[] = [];
    for (let processor = 0; processor < this.#tables.shootdown.processors; processor++)
      if ((flags & FLUSH_ALL_PROCESSORS) !== 0 || ((processors >> BigInt(processor)) & 1n) === 1n)
        named.push(processor);
    return named;
  }

  #isInhibited(processors: readonly number[]): boolean {
    return processors.some((processor) => this.#inhibited.has(processor));
  }

  /** Of one address space, its space; of all, all. A space the virtual TLB does not know has nothing to flush. */
  #spacesOf({ flags, addressSpace }: FlushTarget): AddressSpace[] {
    if ((flags & FLUSH_ALL_ADDRESS_SPACES) !== 0) return [...this.#tables.spaces];
    return [...this.#tables.spaces].filter((space) => BigInt(space.tag) === addressSpace);
  }
}

/** A value that CR3 takes: no reserved bit. */
export function isAddressSpace(value: bigint, maxPhysicalAddressBits: number): boolean {
  return value >= 0n && value >> BigInt(maxPhysicalAddressBits) === 0n;
}

function halvesOf(address: bigint): { high: number; low: number } {
  return { high: Number(BigInt.asIntN(32, address >> 32n)), low: Number(BigInt.asIntN(32, address)) };
}
