import { z } from "zod";

const BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
/** What the hypervisor can address. */
const MOST_BYTES = 4 * 2 ** 30;
const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, min: 60 };

const MOST_SECONDS = 3600;

const split = (text: string): [number, string] => {
  const [, number = "", unit = ""] = /^([\d.]+) *([A-Za-z]+)$/.exec(text) ?? [];
  return [Number(number), unit];
};

/** A size of memory as people write it (`128 MiB`), handed out in bytes. */
export const size = z
  .string({ error: "expected a size with its unit, such as 128 MiB" })
  .regex(/^\d+ *(B|KiB|MiB|GiB)$/, { error: "expected a size with its unit (B, KiB, MiB, GiB), such as 128 MiB" })
  .transform((text) => {
    const [number, unit] = split(text);
    return number * BYTES[unit]!;
  })
  .refine((bytes) => bytes > 0 && bytes % 4096 === 0 && bytes <= MOST_BYTES, {
    error: "expected whole pages of 4 KiB, and at most 4 GiB",
  })
  .meta({ description: "A size with its unit: 64 KiB, 128 MiB, 2 GiB", examples: ["128 MiB"] });

/** A span of time as people write it (`90 s`, `250 ms`), handed out in seconds. */
export const duration = z
  .string({ error: "expected a time with its unit, such as 90 s" })
  .regex(/^\d+(\.\d+)? *(ms|s|min)$/, { error: "expected a time with its unit (ms, s, min), such as 90 s" })
  .transform((text) => {
    const [number, unit] = split(text);
    return number * SECONDS[unit]!;
  })
  .refine((seconds) => seconds <= MOST_SECONDS, { error: "expected at most 60 min" })
  .meta({ description: "A time with its unit: 250 ms, 1.5 s, 2 min", examples: ["90 s"] });

/** How often something happens (`400 per second`), handed out in times a second. */
export const rate = z
  .string({ error: "expected a rate, such as 400 per second" })
  .regex(/^\d+(\.\d+)? per (second|minute)$/, { error: "expected a rate, such as 400 per second or 30 per minute" })
  .transform((text) => {
    const [, number = "", unit] = /^([\d.]+) per (\w+)$/.exec(text) ?? [];
    return Number(number) / (unit === "minute" ? 60 : 1);
  })
  .refine((times) => times > 0 && times <= 5000, { error: "expected a rate above 0 and at most 5000 per second" })
  .meta({ description: "A rate: 400 per second, 30 per minute", examples: ["400 per second"] });
