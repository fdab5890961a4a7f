import { z } from "zod";
import { duration } from "../../../guest/index.ts";
import { REQUEST_TIMEOUT } from "../disk-retries.ts";
import { name } from "./name.ts";

const at = duration.meta({ description: "From when on, after the first start of the host" });

const place = {
  at,
  partition: name.optional().meta({ description: "Whose page file the page is in; the first that has one" }),
  page: z.int().min(0).default(0).meta({ description: "Which page of the page file" }),
};

const occasion = {
  at,
  times: z.int().min(1).max(1000).default(1).meta({ description: "How often, one after the other" }),
};

const kind = <Name extends string>(literal: Name, description: string) => z.literal(literal).meta({ description });

/** What can go wrong with the host's disk, as `FaultyDevice` does it. */
export const diskFault = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: kind("unreadable", "A page of a partition's page file cannot be read any more, until it is written again"),
    ...place,
  }),
  z.strictObject({
    kind: kind("slow", "A page of a partition's page file takes longer to be read or written"),
    ...place,
    delay: duration
      .refine((seconds) => seconds * 1000 < REQUEST_TIMEOUT, {
        error: "expected less than 10 s: what takes longer is a `timeout`",
      })
      .meta({ description: "How much longer; below 10 s, after which the disk's driver gives up" }),
  }),
  z.strictObject({
    kind: kind("torn-write", "A write is cut off by a reset: the first half of its sectors is new, the rest old"),
    ...occasion,
  }),
  z.strictObject({
    kind: kind("timeout", "A request is not answered, and the disk's driver gives up after 10 s"),
    ...occasion,
  }),
  z.strictObject({ kind: kind("reset", "The disk is reset, and what is under way is lost"), ...occasion }),
  z.strictObject({ kind: kind("dead", "The disk answers nothing but that it is gone"), at }),
]);
