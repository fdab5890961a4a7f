import type { LegalCombinations } from "./conditions.ts";

/** Legal combinations drawn without preference, the same ones each time, in the order of their numbers. */
export function sampleOf(combinations: LegalCombinations, size: number, seed: number): Int32Array {
  let random = seed;
  const numbers = Int32Array.from({ length: size }, () => {
    // Marsaglia's xorshift with 13, 17, 5.
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    return (random >>> 0) % combinations.count;
  });
  return numbers.sort().map((number) => combinations.at(number));
}
