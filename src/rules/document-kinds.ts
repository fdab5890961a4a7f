import type { DocumentKind } from "../document/index.ts";

const ours = { prefix: "rules", pointsAt: "value", quote: "`" } as const;

export const packKind: DocumentKind = { ...ours, name: "pack" };
export const packTestKind: DocumentKind = { ...ours, name: "tests of a pack" };
/** Facts that a test of a pack keeps in a file of their own. */
export const factsKind: DocumentKind = { ...ours, name: "facts" };
