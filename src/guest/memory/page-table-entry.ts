/** What this kernel writes into page-table entries (Intel SDM volume 3A, section 4.5). */
const PRESENT = 1n << 0n;
const WRITABLE = 1n << 1n;
const USER = 1n << 2n;
const ACCESSED = 1n << 5n;
const DIRTY = 1n << 6n;
/** In an entry of a page directory: it maps 2 MiB itself. */
export const LARGE_PAGE = 1n << 7n;
const GLOBAL = 1n << 8n;
const NO_EXECUTE = 1n << 63n;

/** Kinds of pages, by what may be done with them. Kernel pages are global; leaves are born accessed and dirty, as Windows makes them. */
export const PAGE_KIND = {
  kernelCode: PRESENT | ACCESSED | DIRTY | GLOBAL,
  kernelReadOnly: PRESENT | ACCESSED | DIRTY | GLOBAL | NO_EXECUTE,
  kernelData: PRESENT | WRITABLE | ACCESSED | DIRTY | GLOBAL | NO_EXECUTE,
  /** As `kernelData`, and not used yet: the processor will say when it is. */
  freshKernelData: PRESENT | WRITABLE | GLOBAL | NO_EXECUTE,
  userCode: PRESENT | USER | ACCESSED,
  userData: PRESENT | WRITABLE | USER | ACCESSED | DIRTY | NO_EXECUTE,
  /** As `userData`, and not used yet: the processor will say when it is. */
  freshUserData: PRESENT | WRITABLE | USER | NO_EXECUTE,
  /** An entry that points to a lower table: what its pages may do is decided below. */
  table: PRESENT | WRITABLE | USER | ACCESSED,
  /** The root's entry for itself. */
  selfMap: PRESENT | WRITABLE | ACCESSED | DIRTY | NO_EXECUTE,
} as const;

/** Accessed and dirty flag in an entry's lower half, which the processor sets. */
export const ACCESSED_BIT = Number(ACCESSED);
export const DIRTY_BIT = Number(DIRTY);
export const FLAG_BITS = ACCESSED_BIT | DIRTY_BIT;

const FRAME_SHIFT = 12n;
/** Bits 51:32 of a frame's address lie in an entry's upper half; 2^20 frames fill the lower one. */
const FRAME_HIGH = 0xf_ffff;
const FRAMES_IN_LOW_HALF = 2 ** 20;

export const pageEntry = (frame: number, kind: bigint): bigint => (BigInt(frame) << FRAME_SHIFT) | kind;
export const isPresent = (low: number): boolean => (low & 1) !== 0;
/** The page frame an entry names, from its two halves. */
export const frameOf = (low: number, high: number): number => (low >>> 12) + (high & FRAME_HIGH) * FRAMES_IN_LOW_HALF;
