import { type AccessName, key, P, U, W } from "./guest.ts";
import { type Scenario, scenario } from "./scenario.ts";

/** The 7 checks that kvm-unit-tests' pku.c makes (paging.md A3): a key's rights in PKRU against user and supervisor, WP on and off. */

const FRAME = 0x1f_3000;
const PAGE = 0x1234_0000_0000n;
const KEY = 5;
const ACCESS_DISABLED = 1;
const WRITE_DISABLED = 2;

const CHECKS: readonly (readonly [what: string, wp: boolean, rights: number, access: AccessName, expected: string])[] =
  [
    ["a supervisor's write without WP, writes disabled", false, WRITE_DISABLED, "write", "1f3000"],
    ["a supervisor's write with WP, writes disabled", true, WRITE_DISABLED, "write", "#PF P W PK"],
    ["a user's write without WP, writes disabled", false, WRITE_DISABLED, "user write", "#PF P W U PK"],
    ["a supervisor's read without WP, accesses disabled", false, ACCESS_DISABLED, "read", "#PF P PK"],
    ["a supervisor's write with WP, accesses disabled", true, ACCESS_DISABLED, "write", "#PF P W PK"],
    ["a user's read, accesses disabled", false, ACCESS_DISABLED, "user read", "#PF P U PK"],
    ["a user's fetch, everything disabled", true, ACCESS_DISABLED | WRITE_DISABLED, "user fetch", "1f3000"],
  ];

export const PKU: readonly Scenario[] = CHECKS.map(([what, wp, rights, access, expected]) =>
  scenario(`protection keys: ${what}`, (guest, expect) => {
    guest.set({ wp, pke: true });
    guest.map(PAGE, FRAME, P | W | U | key(KEY));
    expect.access(PAGE, "user write", "1f3000");
    // Nothing is flushed: WRPKRU takes effect at the next access.
    guest.set({ pkru: rights << (2 * KEY) });
    expect.access(PAGE, access, expected);
    guest.set({ pkru: 0 });
    expect.access(PAGE, "user write", "1f3000");
  }),
);
