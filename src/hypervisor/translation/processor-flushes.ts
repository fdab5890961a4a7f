import { MAX_PHYSICAL_ADDRESS_BITS } from "../frame-map.ts";
import {
  FLUSH_ALL_ADDRESS_SPACES,
  FLUSH_NON_GLOBAL_ONLY,
  type FlushHypercalls,
  FlushInhibition,
  type FlushListResult,
  type FlushStatus,
  type FlushTarget,
  isFlushTarget,
  listedPages,
  namedProcessors,
} from "./flush-target.ts";

/** A processor that keeps its translations to itself. */
export interface FlushedProcessor {
  /** Forgets all translations, or all that are not global and belong to an address space. */
  forgetSpace(addressSpace: bigint | null): void;
  /** Forgets the translations of pages in an address space; `null`: in all. */
  forgetPages(addressSpace: bigint | null, start: bigint, pages: number): void;
}

/**
 * The flush hypercalls where each processor has translations of its own, or none: each one named drops what it has, as it would
 * by INVLPG and INVPCID when it is asked by an interrupt.
 */
export class ProcessorFlushes implements FlushHypercalls {
  readonly inhibition = new FlushInhibition();
  readonly #processors: readonly FlushedProcessor[];

  constructor(processors: readonly FlushedProcessor[]) {
    this.#processors = processors;
  }

  flushAddressSpace(target: FlushTarget): FlushStatus {
    if (!isFlushTarget("space", target, MAX_PHYSICAL_ADDRESS_BITS)) return "invalid-parameter";
    const processors = namedProcessors(target, this.#processors.length);
    if (this.inhibition.holdsUp(processors)) return "inhibited";
    // What is global belongs to every space: where it has to go, everything goes.
    const onlyOne = (target.flags & FLUSH_ALL_ADDRESS_SPACES) === 0 && (target.flags & FLUSH_NON_GLOBAL_ONLY) !== 0;
    for (const index of processors) this.#processors[index]!.forgetSpace(onlyOne ? target.addressSpace : null);
    return "done";
  }

  flushAddressList(target: FlushTarget, list: readonly bigint[]): FlushListResult {
    if (!isFlushTarget("list", target, MAX_PHYSICAL_ADDRESS_BITS)) return { status: "invalid-parameter", done: 0 };
    const processors = namedProcessors(target, this.#processors.length);
    if (this.inhibition.holdsUp(processors)) return { status: "inhibited", done: 0 };
    const space = (target.flags & FLUSH_ALL_ADDRESS_SPACES) !== 0 ? null : target.addressSpace;
    for (const entry of list) {
      const { start, pages } = listedPages(entry);
      for (const index of processors) this.#processors[index]!.forgetPages(space, start, pages);
    }
    return { status: "done", done: list.length };
  }

  /** None of its own: what a processor drops, its engine counts. */
  counters(): Readonly<Record<string, number>> {
    return {};
  }
}
