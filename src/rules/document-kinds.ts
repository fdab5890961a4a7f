import type { DocumentKind } from "../document/index.ts";

export const packKind: DocumentKind = { prefix: "rules", name: "pack" };
export const packTestKind: DocumentKind = { prefix: "rules", name: "tests of a pack" };
/** Facts that a test of a pack keeps in a file of their own. */
export const factsKind: DocumentKind = { prefix: "rules", name: "facts" };
export const catalogueKind: DocumentKind = { prefix: "rules", name: "catalogue of stop codes" };
export const signedListKind: DocumentKind = { prefix: "rules", name: "list of signed files" };
export const publicKeyKind: DocumentKind = { prefix: "rules", name: "public key" };
