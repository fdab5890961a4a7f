import type { Kernel } from "../kernel/kernel.ts";
import type { Thread } from "../threads/thread.ts";
import { bugCheck } from "./bug-check.ts";

const MEMORY_MANAGEMENT = 0x1a;

/**
 * First parameter of 0x1A: what memory management found.
 * `wrongPage`: the page behind a page-table entry is not the one that was put there. `wrongFlags`: the entry does not say what
 * was done with its page.
 */
const VIOLATION = { wrongPage: 0x403n, wrongFlags: 0x411n } as const;

/** What was found at a page. */
export interface PageViolation {
  readonly kind: keyof typeof VIOLATION;
  readonly address: bigint;
  /** A word of the page, or the flags of its entry. */
  readonly expected: number;
  readonly found: number;
}

/**
 * Stops the guest with 0x1A. The parameters behind the first are the virtual address of the page-table entry, what should
 * have been found, and what was.
 */
export function memoryManagementStop(kernel: Kernel, thread: Thread, violation: PageViolation): never {
  const { kind, address, expected, found } = violation;
  thread.enter(kernel.images.find("nt!MmCheckCachedPageStates"), [address]);
  const entry = kernel.layout.pteBase + (BigInt.asUintN(48, address) >> 12n) * 8n;
  const parameters = [VIOLATION[kind], entry, BigInt(expected >>> 0), BigInt(found >>> 0)] as const;
  return bugCheck(kernel, thread, MEMORY_MANAGEMENT, parameters);
}
