import { z } from "zod";

/** What hosts, partitions and scenarios are called. */
export const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,30}$/, { error: "expected a short name: lower-case letters, digits and dashes" })
  .meta({ description: "Lower-case letters, digits and dashes" });
