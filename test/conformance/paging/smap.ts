import { type AccessName, P, U, W } from "./guest.ts";
import { type Scenario, scenario } from "./scenario.ts";

/** The 18 checks that kvm-unit-tests' smap.c makes (paging.md A3): nine, each right after the user's own use of the page, and after INVLPG. */

const FRAME = 0x1f_3000;
const PAGE = 0x1234_0000_0000n;

const CHECKS: readonly (readonly [what: string, access: AccessName, expected: string])[] = [
  ["a read with AC", "read AC", "1f3000"],
  ["a read without AC", "read", "#PF P"],
  ["a write with AC", "write AC", "1f3000"],
  ["a write without AC", "write", "#PF P W"],
  ["the user's own read", "user read", "1f3000"],
  ["the user's own write", "user write", "1f3000"],
  ["the processor's own read of a descriptor, with AC", "implicit read AC", "#PF P"],
  ["the processor's own read of a descriptor, without AC", "implicit read", "#PF P"],
  ["a fetch, which SMAP does not concern", "fetch", "1f3000"],
];

export const SMAP: readonly Scenario[] = [false, true].flatMap((invalidated) =>
  CHECKS.map(([what, access, expected]) =>
    scenario(`SMAP and a user page ${invalidated ? "after INVLPG" : "in use"}: ${what}`, (guest, expect) => {
      guest.set({ smap: true });
      guest.map(PAGE, FRAME, P | W | U);
      expect.access(PAGE, "user write", "1f3000");
      if (invalidated) guest.flush(PAGE);
      expect.access(PAGE, access, expected);
    }),
  ),
);
