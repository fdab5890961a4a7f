import { z } from "zod";
import type { Rand48 } from "./rand48.ts";

/**
 * How a value of a synthetic workload is distributed, as DiskSim's files write it: the name, then its numbers.
 * Source: DiskSim 4.0 reference manual, "Synthetic workloads"; that the second number of a normal distribution is
 * used as its deviation, though called variance, is what DiskSim does.
 */
export const Distribution = z.union([
  z.tuple([z.literal("uniform"), z.number(), z.number()]),
  z.tuple([z.literal("normal"), z.number(), z.number()]),
  z.tuple([z.literal("exponential"), z.number(), z.number()]),
  z.tuple([z.literal("poisson"), z.number(), z.number()]),
  z.tuple([z.literal("twovalue"), z.number(), z.number(), z.number().min(0).max(1)]),
]);

export type Distribution = z.infer<typeof Distribution>;

/** A value, made of as many random numbers, in the same order, as DiskSim makes it of. */
export function draw(distribution: Distribution, random: Rand48): number {
  const [kind, first, second, probability] = distribution;
  switch (kind) {
    case "uniform":
      return first + (second - first) * random.next();
    case "normal":
      return first + second * normal(random);
    case "exponential":
      return first + second * exponential(random);
    case "poisson":
      return first + poisson(second, random);
    case "twovalue":
      return random.next() < probability ? second : first;
  }
}

/** The same, drawn until it is not negative: a time. */
export function drawTime(distribution: Distribution, random: Rand48): number {
  for (;;) {
    const time = draw(distribution, random);
    if (time >= 0) return time;
  }
}

/** Exponential, of mean 1. */
function exponential(random: Rand48): number {
  return -Math.log(1 - random.next());
}

/** Standard normal, by rejection from an exponential (Knuth, TAOCP 3.4.1, "Exponential deviates and the normal"). */
function normal(random: Rand48): number {
  for (;;) {
    const bound = exponential(random);
    const value = exponential(random);
    if (bound - (value - 1) ** 2 / 2 > 0) return random.next() < 0.5 ? -value : value;
  }
}

function poisson(mean: number, random: Rand48): number {
  const stop = Math.exp(-mean);
  let count = 0;
  for (let product = random.next(); product >= stop; product *= random.next()) count++;
  return count;
}
