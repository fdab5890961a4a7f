/** Flags of the flush hypercalls (systems.md 1.3). */
export const FLUSH_ALL_PROCESSORS = 1;
export const FLUSH_ALL_ADDRESS_SPACES = 2;
/** Global entries may stay. Not for lists. */
export const FLUSH_NON_GLOBAL_ONLY = 4;

const LIST_FLAGS = FLUSH_ALL_PROCESSORS | FLUSH_ALL_ADDRESS_SPACES;
const SPACE_FLAGS = LIST_FLAGS | FLUSH_NON_GLOBAL_ONLY;
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
 * Processors that may not be flushed: set while a processor's parent completes an instruction for it, so that no flush makes a
 * promise about memory that is still being changed (systems.md 1.3). Callers that were told `inhibited` can be resumed when it is
 * cleared.
 */
export class FlushInhibition {
  readonly #processors = new Set<number>();

  set(processor: number, on: boolean): void {
    if (on) this.#processors.add(processor);
    else this.#processors.delete(processor);
  }

  holdsUp(processors: readonly number[]): boolean {
    return processors.some((processor) => this.#processors.has(processor));
  }
}

/** The flush hypercalls of a partition, whatever its processors translate with. */
export interface FlushHypercalls {
  /** HvCallFlushVirtualAddressSpace. */
  flushAddressSpace(target: FlushTarget): FlushStatus;
  /** HvCallFlushVirtualAddressList. Each entry is a linear address whose low 12 bits say how many pages more. */
  flushAddressList(target: FlushTarget, list: readonly bigint[]): FlushListResult;
  /** Which processors hold flushes up. */
  readonly inhibition: FlushInhibition;
  /** What the calls flushed, by the shipped names. */
  counters(): Readonly<Record<string, number>>;
}

/** Whether a call of this kind may have these parameters. */
export function isFlushTarget(
  call: "space" | "list",
  { addressSpace, flags, processors }: FlushTarget,
  maxPhysicalAddressBits: number,
): boolean {
  if ((flags & ~(call === "space" ? SPACE_FLAGS : LIST_FLAGS)) !== 0) return false;
  if ((flags & FLUSH_ALL_PROCESSORS) === 0 && processors === 0n) return false;
  return (flags & FLUSH_ALL_ADDRESS_SPACES) !== 0 || isAddressSpace(addressSpace, maxPhysicalAddressBits);
}

/** The processors a flush names, of so many that there are. */
export function namedProcessors({ flags, processors }: FlushTarget, count: number): number[] {
  const named: number[] = [];
  for (let processor = 0; processor < count; processor++)
    if ((flags & FLUSH_ALL_PROCESSORS) !== 0 || ((processors >> BigInt(processor)) & 1n) === 1n) named.push(processor);
  return named;
}

/** The first page of a list's entry, and how many there are. */
export function listedPages(entry: bigint): { readonly start: bigint; readonly pages: number } {
  return { start: entry & ~EXTRA_PAGES, pages: Number(entry & EXTRA_PAGES) + 1 };
}

/** A value that CR3 takes: no reserved bit. */
export function isAddressSpace(value: bigint, maxPhysicalAddressBits: number): boolean {
  return value >= 0n && value >> BigInt(maxPhysicalAddressBits) === 0n;
}
