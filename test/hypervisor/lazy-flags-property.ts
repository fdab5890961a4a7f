import fc from "fast-check";
import type { EagerCounts } from "./eager-guest.ts";
import { LazyFlagsGuest } from "./lazy-flags-guest.ts";

export interface FlagWrites extends EagerCounts {
  /** What the lazy flags wrote. */
  lazy: number;
}

const OPERATIONS = 10_000;
const SIZES = [
  { name: "plenty of shadow pages", budgetPages: 512, batch: 32 },
  { name: "hardly any shadow pages, no batches", budgetPages: 16, batch: 1 },
];

/**
 * Random guests on shadow tables with lazy flags, and on the eager walker: no guest sees a difference, and a dump at the end does
 * not either.
 * @param operations at least so many, half of them for each of two sizes
 * @param progress is told how many have been done
 * @returns how often each of the walkers wrote to the tables
 * @throws Error with the operation where they differ
 */
export function compareLazyFlags(operations: number, progress: (done: number) => void = () => {}): FlagWrites {
  const writes: FlagWrites = { everyAccess: 0, everyFill: 0, everyChange: 0, lazy: 0 };
  const numRuns = Math.ceil(operations / 2 / OPERATIONS);
  let done = 0;
  for (const { name, ...options } of SIZES) {
    const property = fc.property(
      fc.nat(0xffff_ffff),
      fc.array(fc.noBias(fc.nat(0xffff_ffff)), { minLength: OPERATIONS, maxLength: OPERATIONS, size: "max" }),
      (seed, steps) => {
        const guest = new LazyFlagsGuest(options, seed);
        for (const [number, step] of steps.entries()) at(`${name}, operation ${number}`, () => guest.operate(step));
        at(`${name}, at the end`, () => guest.compareAll());
        const { tables } = guest;
        const { counts } = guest.eager;
        for (const count of ["everyAccess", "everyFill", "everyChange"] as const) writes[count] += counts[count];
        writes.lazy += tables.counters().guestTableFlagWrites!;
        done += OPERATIONS;
        progress(done);
      },
    );
    fc.assert(property, { numRuns, seed: 1947, endOnFailure: true });
  }
  return writes;
}

function at(where: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
  }
}
