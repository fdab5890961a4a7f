import type { KernelMemory } from "./kernel-memory.ts";

/**
 * The entries of a circular `struct list_head`, the head itself not among them. Ends where the list comes back to its head,
 * and `whole` says whether it did: a missing page, a loop that leaves the head out or more than `limit` entries end it early.
 */
export function listEntries(memory: KernelMemory, head: bigint, limit: number): { entries: bigint[]; whole: boolean } {
  const entries: bigint[] = [];
  const seen = new Set<bigint>();
  let next = memory.u64(head);
  while (next !== null && next !== head && !seen.has(next) && entries.length < limit) {
    seen.add(next);
    entries.push(next);
    next = memory.u64(next);
  }
  return { entries, whole: next === head };
}
