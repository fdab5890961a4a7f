import type { Fault, PagingState } from "../../paging/index.ts";

/**
 * How a virtual processor's linear addresses become system physical ones. Three engines have this face, and a partition says
 * which of them it runs on: the pure walk (`walk`), the walk behind a tagged TLB (`tlb`), and shadow page tables behind a
 * tagged virtual TLB (`shadow`). What a guest can see of them is the same but for what the architecture leaves open:
 * translations that were cached and not yet flushed.
 */
export type EngineKind = "walk" | "tlb" | "shadow";

/** The access met the partition's own map and not the guest's page tables: a message to the parent, no fault of the guest. */
export const REFUSED_BY_GUEST_MAP = 3;

/** `FAULT_NONE`, `FAULT_PAGE`, `FAULT_GENERAL_PROTECTION` of src/paging, or `REFUSED_BY_GUEST_MAP`. */
export type Refusal = Fault | typeof REFUSED_BY_GUEST_MAP;

/** Bits of what `hit` answers: with one of them set it is no page, because the translation is not at hand. */
export const MISSED = 0xfff;

/** To be added to an access: it touches nothing but the eight aligned bytes that its address lies in. */
export const WITHIN_ENTRY = 1 << 5;
/** With it and to be added to a write: all eight of them are overwritten, and what was there is not read. */
export const WHOLE_ENTRY = 1 << 6;

/** One processor's translation. Methods on the way of an access allocate nothing and know no bigint. */
export interface TranslationEngine {
  /**
   * The page of 4 KiB that `translate` would lead to, where that is at hand; a word with bits of MISSED where `translate` has to
   * be asked. Changes nothing and calls nothing, so V8 puts it into the loop of whoever accesses memory much. That loop holds no
   * other call: one in it, though never made, costs each round as much as the hit.
   * @returns the page's system physical address, 32 bits with the sign of bit 31
   */
  hit(high: number, low: number, access: number): number;

  /**
   * System physical byte address for an access (`ACCESS_…` bits, and how far it goes, where that is known) to the linear address
   * `high:low`; -1 when it is refused, with the reason in the fields below. The access follows at once. Accessed and dirty flags are the guest's to see at every point where it could look.
   */
  translate(high: number, low: number, access: number): number;

  /**
   * Translates a run of addresses with the same upper half, in order, until one is refused. Who has many accesses to make gets
   * them translated first and then makes them: memory is waited for all at once.
   * @param lows their lower halves, from `from` on
   * @param addresses takes the `count` system physical addresses, as 32 bits with the sign of bit 31
   * @returns how many were translated; fewer than `count` where the next one is refused
   */
  translateRun(
    high: number,
    lows: Int32Array,
    from: number,
    count: number,
    access: number,
    addresses: Int32Array,
  ): number;

  /** Why the last `translate` gave -1. */
  readonly refusal: Refusal;
  /** The page fault's error code. */
  readonly errorCode: number;
  /** Where the guest's map refused: a guest physical byte address. */
  readonly guestPhysicalAddress: number;

  /**
   * A control register was written: `state` holds the new values, `previous` the old ones. Flushes what the architecture
   * says (paging.md A2, rule 14).
   * @param keep MOV CR3 with bit 63 set under PCIDE, or the hypercall that switches address spaces: nothing is flushed
   */
  controlChanged(previous: Readonly<PagingState>, keep: boolean): void;

  /** INVLPG: this page in the current address space, global or not, with all paging-structure entries of that space. */
  invalidatePage(high: number, low: number): void;

  /** INVPCID of type 0 to 3, checked by the processor before. */
  invalidatePcid(type: 0 | 1 | 2 | 3, pcid: number, high: number, low: number): void;

  /** The partition's guest physical map changed for these pages (moved, gone, or other rights): no stale use after this returns. */
  guestMapChanged(firstPage: number, pageCount: number): void;

  /** Writes back every flag that was kept lazily: before a dump, and wherever the guest is about to look. */
  synchronizeFlags(): void;

  /** Named counts since the engine was made (systems.md 1.2 has the names). */
  counters(): Readonly<Record<string, number>>;
}
