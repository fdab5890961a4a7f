import { z } from "zod";

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
