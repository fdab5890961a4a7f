import { ShadowSubject } from "./shadow-subject.ts";
import type { Subject } from "./subject.ts";

/**
 * What makes an end of the translations of the case before: the paths a tagged TLB has to be right on. INVPCID's types are those of
 * INVVPID, an address, a context, all contexts, all but what is global; the hypercalls flush a space, all spaces, a list of pages.
 */
export const INVALIDATIONS = [
  "INVLPG",
  "INVPCID 0",
  "INVPCID 1",
  "INVPCID 2",
  "INVPCID 3",
  "MOV CR3",
  "hypercall: space",
  "hypercall: all spaces",
  "hypercall: list",
] as const;
export type Invalidation = (typeof INVALIDATIONS)[number];

/** Those that a subject has. */
export function invalidationsOf(subject: Subject): Invalidation[] {
  return INVALIDATIONS.filter((how) => !how.startsWith("hypercall") || subject instanceof ShadowSubject);
}

/** @returns a function that makes an end of a page's translations, in the address space of this root */
export function invalidator(how: Invalidation, subject: Subject, root: number, high: number, low: number): () => void {
  switch (how) {
    case "INVLPG":
      return () => subject.invalidatePage(high, low);
    case "INVPCID 0":
      return () => subject.invalidatePcid(0, 0, high, low);
    case "INVPCID 1":
      return () => subject.invalidatePcid(1, 0, 0, 0);
    case "INVPCID 2":
      return () => subject.invalidatePcid(2, 0, 0, 0);
    case "INVPCID 3":
      return () => subject.invalidatePcid(3, 0, 0, 0);
    case "MOV CR3":
      return () => subject.setRoot(root, false);
  }
  if (!(subject instanceof ShadowSubject)) throw new Error(`${subject.name} has no hypercalls`);
  const page = (BigInt(high) << 32n) | BigInt(low & ~0xfff);
  switch (how) {
    case "hypercall: space":
      return () => subject.flushSpace(root);
    case "hypercall: all spaces":
      return () => subject.flushSpace(null);
    case "hypercall: list":
      return () => subject.flushList(root, [page]);
  }
}
