import { ENTRY_ACCESSED, ENTRY_DIRTY } from "../../../paging/index.ts";

/**
 * A shadow entry: eight words, so that one fill touches one line of the host's cache.
 *
 * | word | of a leaf | of a link |
 * | --- | --- | --- |
 * | 0 | host frame in bits 31:12 (of a large page its first), allowed accesses in bits 11:0 (role.ts) | 0 |
 * | 1 | the flags below | the flags below; shadow page it leads to, in bits 31:16 |
 * | 2, 3 | the guest's entry as it stood when it was read, lower and upper half | the same |
 * | 4, 5 | neighbours among the leaves that map the same guest frame, by entry number | among the links to the same shadow page |
 | 6 | serial number of the last flush or table write when it was made, its lower 32 bits | the same |
 *
 * Words 0 to 3 zero but for `QUEUED`: nothing is there.
 */
export const WORDS = 8;
export const ENTRIES = 512;
export const PAGE_WORDS = WORDS * ENTRIES;

export const STATE = 1;
export const GUEST_LOW = 2;
export const GUEST_HIGH = 3;
export const NEXT = 4;
export const PREVIOUS = 5;
export const FILLED_AT = 6;

/** Leads to another shadow page. */
export const LINK = 1 << 0;
/** A leaf of 2 MiB. */
export const LARGE = 1 << 1;
/** The guest's entry has G: INVLPG takes it out of every address space. */
export const GLOBAL = 1 << 2;
/** Behind it lies a page that is a guest table itself (of a large page: some piece is). No processor's TLB may hold it. */
export const TABLE = 1 << 3;
/** The page obeys protection keys: they are asked at each use, because PKRU changes without a flush. */
export const KEYED = 1 << 4;
/** The guest's accessed flag is set here and not in its table yet. */
export const PENDING_ACCESSED = 1 << 5;
/** The guest's dirty flag is set here and not in its table yet. */
export const PENDING_DIRTY = 1 << 6;
/** The queue of lazy flags has it. */
export const QUEUED = 1 << 7;

export const PENDING = PENDING_ACCESSED | PENDING_DIRTY;
export const CHILD_SHIFT = 16;

/** The bits of a guest's entry that a processor writes. */
export const GUEST_FLAGS = ENTRY_ACCESSED | ENTRY_DIRTY;
