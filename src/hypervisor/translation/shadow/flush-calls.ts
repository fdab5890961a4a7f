import { PAGE_SIZE } from "../../../binary/index.ts";
import { FLUSH_ALL, FLUSH_SPACE, highBit, lowBit } from "../flush-journal.ts";
import {
  FLUSH_ALL_ADDRESS_SPACES,
  type FlushHypercalls,
  FlushInhibition,
  type FlushListResult,
  type FlushStatus,
  type FlushTarget,
  isFlushTarget,
  listedPages,
  namedProcessors,
} from "../flush-target.ts";
import type { AddressSpace } from "./address-spaces.ts";
import { type ShadowCounters, shadowCounters } from "./counters.ts";
import { isCanonical } from "./guest-walk.ts";
import type { ShadowPageTables } from "./page-tables.ts";
import type { LinearRange } from "./shootdown.ts";

/** Not some pages, but all of a space. */
const WHOLE: LinearRange = { high: 0, low: 0, pages: 0 };

/**
 * The flush hypercalls of a partition whose processors share tables. When a call is done, no processor it named can translate with
 * what it was to forget: the shadow tables are flushed before it returns, and each processor drops its own TLB's entries
 * before its next translation, without being woken for it.
 */
export class FlushCalls implements FlushHypercalls {
  readonly inhibition = new FlushInhibition();
  readonly #tables: ShadowPageTables;
  readonly #maxPhysicalAddressBits: number;
  readonly #counters: ShadowCounters = shadowCounters();

  constructor(tables: ShadowPageTables, maxPhysicalAddressBits: number) {
    this.#tables = tables;
    this.#maxPhysicalAddressBits = maxPhysicalAddressBits;
  }

  flushAddressSpace(target: FlushTarget): FlushStatus {
    if (!isFlushTarget("space", target, this.#maxPhysicalAddressBits)) return "invalid-parameter";
    const processors = namedProcessors(target, this.#tables.shootdown.processors);
    if (this.inhibition.holdsUp(processors)) return "inhibited";
    this.#record(target, processors, WHOLE);
    if ((target.flags & FLUSH_ALL_ADDRESS_SPACES) !== 0) {
      this.#counters.addressDomainFlushes++;
      this.#tables.flushes.all();
    } else {
      this.#counters.addressSpaceFlushes++;
      for (const space of this.#spacesOf(target)) this.#tables.flushes.space(space);
    }
    for (const processor of processors) this.#tables.shootdown.one(processor);
    return "done";
  }

  flushAddressList(target: FlushTarget, list: readonly bigint[]): FlushListResult {
    if (!isFlushTarget("list", target, this.#maxPhysicalAddressBits)) return { status: "invalid-parameter", done: 0 };
    const processors = namedProcessors(target, this.#tables.shootdown.processors);
    if (this.inhibition.holdsUp(processors)) return { status: "inhibited", done: 0 };
    const spaces = this.#spacesOf(target);
    for (const entry of list) {
      const range = rangeOf(entry);
      this.#record(target, processors, range);
      this.#flushRange(range, spaces, processors);
    }
    if ((target.flags & FLUSH_ALL_ADDRESS_SPACES) !== 0) this.#counters.globalGvaRangeFlushes += list.length;
    else this.#counters.localGvaRangeFlushes += list.length;
    return { status: "done", done: list.length };
  }

  counters(): Readonly<Record<string, number>> {
    const { addressDomainFlushes, addressSpaceFlushes, globalGvaRangeFlushes, localGvaRangeFlushes } = this.#counters;
    return { addressDomainFlushes, addressSpaceFlushes, globalGvaRangeFlushes, localGvaRangeFlushes };
  }

  #flushRange(range: LinearRange, spaces: readonly AddressSpace[], processors: readonly number[]): void {
    for (let page = 0; page < range.pages; page++) {
      const low = (range.low >>> 0) + page * PAGE_SIZE;
      const high = range.high + Math.floor(low / 2 ** 32);
      if (!isCanonical(5, high)) break;
      this.#tables.flushes.pageIn(spaces, high, low | 0);
    }
    for (const processor of processors) this.#tables.shootdown.range(processor, range);
  }

  #record({ flags, addressSpace }: FlushTarget, processors: readonly number[], range: LinearRange): void {
    const all = (flags & FLUSH_ALL_ADDRESS_SPACES) !== 0;
    const scope = all ? FLUSH_ALL : FLUSH_SPACE;
    const of = all ? 0 : Number(addressSpace);
    let processorsLow = 0;
    let processorsHigh = 0;
    for (const processor of processors) {
      processorsLow |= lowBit(processor);
      processorsHigh |= highBit(processor);
    }
    const { high, low, pages } = range;
    this.#tables.flushes.journal.record(scope, of, high, low, pages, processorsLow, processorsHigh);
  }

  /** Of one address space, its space; of all, all. A space the virtual TLB does not know has nothing to flush. */
  #spacesOf({ flags, addressSpace }: FlushTarget): AddressSpace[] {
    if ((flags & FLUSH_ALL_ADDRESS_SPACES) !== 0) return [...this.#tables.spaces];
    const space = this.#tables.spaces.of(Number(addressSpace));
    return space === undefined ? [] : [space];
  }
}

/** The pages that an entry of a list names. */
function rangeOf(entry: bigint): LinearRange {
  const { start, pages } = listedPages(entry);
  return { high: Number(BigInt.asIntN(32, start >> 32n)), low: Number(BigInt.asIntN(32, start)), pages };
}
