import { z } from "zod";
import type { OwnMemory } from "../faults/harm.ts";

const UNIT = 16;

/** What records are made of. Even, as the pattern of special pool never is: that a driver wrote beside its block shows. */
export const RECORD_BYTE = 0xd0;

/** Options of drivers that mistreat blocks of nonpaged pool, each below a page. */
export const poolBuffer = {
  size: z.int().min(1).max(4000).default(208).meta({ description: "Bytes of a block" }),
  tag: z
    .string()
    .regex(/^[ -~]{4}$/, { error: "expected a pool tag of four letters" })
    .default("Rcrd"),
};

/** The blocks that such a driver has, with what the pool rounds their size up by. */
export const blocksOf = (addresses: readonly bigint[], size: number): OwnMemory[] =>
  addresses.map((address) => ({ address, bytes: Math.ceil(size / UNIT) * UNIT }));
