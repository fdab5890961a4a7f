/** Why a page can or cannot be read. `zero`: known to be all zeros and therefore not stored. */
export type PageState = "present" | "absent" | "zero" | "sealed";

/** Consecutive page frames. */
export interface PageRun {
  readonly firstPage: number;
  readonly pageCount: number;
}

/** Bytes of a page frame: 4 KiB on every machine this project knows. */
export const PAGE_SIZE = 4096;

/**
 * Memory by guest physical address. Addresses are numbers: 52 bits fit a double exactly.
 * The emulator and every dump reader hand out this same face, so one walker serves both.
 */
export interface PhysicalMemory {
  /** @throws StopcodeError `memory/absent` when any byte of it lies in a page that is absent or sealed */
  read(address: number, length: number): Uint8Array;
  /** The runs of pages that exist and can be read (state `present` or `zero`), ascending and disjoint. */
  runs(): readonly PageRun[];
  pageState(pfn: number): PageState;
}

/** A piece of virtual memory that a small dump carries. */
export interface VirtualBlock {
  readonly address: bigint;
  readonly bytes: number;
}

/** What a dump that holds only pieces of virtual memory (a triage dump, a user minidump) can read. */
export interface VirtualBlocks {
  blocks(): readonly VirtualBlock[];
  /** The bytes, or null when any of them is not in the dump. */
  read(address: bigint, length: number): Uint8Array | null;
}
