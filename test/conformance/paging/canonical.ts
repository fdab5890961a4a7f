import { NX, P, PS, U, W } from "./guest.ts";
import { type Scenario, scenario } from "./scenario.ts";
import type { Levels } from "./subject.ts";

/** What kvm-unit-tests' la57.c is about: which addresses are canonical, and that the topmost of four or five entries counts as all do. */

const FRAME = 0x1f_3000;
const PAGE = 0x1234_0000_0000n;

const ADDRESSES: readonly (readonly [linear: bigint, canonicalFrom: Levels | null])[] = [
  [0x0000_7fff_ffff_f000n, 4],
  [0xffff_8000_0000_0000n, 4],
  [0x0000_8000_0000_0000n, 5],
  [0x00ff_ffff_ffff_f000n, 5],
  [0xff00_0000_0000_0000n, 5],
  [0xffff_7fff_ffff_f000n, 5],
  [0x0100_0000_0000_0000n, null],
  [0xfeff_ffff_ffff_f000n, null],
  [0x8000_0000_0000_0000n, null],
];

const canonical = ADDRESSES.map(([linear, from]) =>
  scenario(`canonical addresses: ${linear.toString(16).padStart(16, "0")}`, (guest, expect) => {
    if (from === null || guest.levels < from) {
      expect.access(linear, "read", "#GP");
      expect.access(linear, "user write", "#GP");
      return;
    }
    guest.map(linear, FRAME, P | W | U);
    expect.access(linear, "user write", "1f3000");
    expect.access(linear ^ (1n << 56n), "read", "#GP");
  }),
);

const topmost: readonly Scenario[] = [
  scenario("the topmost entry: not present", (guest, expect) => {
    guest.map(PAGE, FRAME, P | W | U, { upper: W | U });
    guest.setEntry(PAGE, guest.levels, 0n);
    expect.access(PAGE, "read", "#PF");
  }),
  scenario("the topmost entry: read-only for all that is below", (guest, expect) => {
    guest.map(PAGE, FRAME, P | W | U);
    guest.setEntry(PAGE, guest.levels, guest.entry(PAGE, guest.levels) & ~W);
    expect.access(PAGE, "user read", "1f3000");
    expect.access(PAGE, "write", "#PF P W");
  }),
  scenario("the topmost entry: a supervisor's, for all that is below", (guest, expect) => {
    guest.map(PAGE, FRAME, P | W | U);
    guest.setEntry(PAGE, guest.levels, guest.entry(PAGE, guest.levels) & ~U);
    expect.access(PAGE, "write", "1f3000");
    expect.access(PAGE, "user read", "#PF P U");
  }),
  scenario("the topmost entry: never executed, for all that is below", (guest, expect) => {
    guest.map(PAGE, FRAME, P | W | U);
    guest.setEntry(PAGE, guest.levels, guest.entry(PAGE, guest.levels) | NX);
    expect.access(PAGE, "user read", "1f3000");
    expect.access(PAGE, "user fetch", "#PF P U I");
  }),
  scenario("the topmost entry: its PS is reserved", (guest, expect) => {
    guest.map(PAGE, FRAME, P | W | U);
    guest.setEntry(PAGE, guest.levels, guest.entry(PAGE, guest.levels) | PS);
    expect.access(PAGE, "read", "#PF P RSVD");
  }),
  scenario("every entry of a path: accessed after a read, the leaf alone dirty after a write", (guest, expect) => {
    guest.map(PAGE, FRAME, P | W | U);
    expect.access(PAGE, "read", "1f3000");
    for (let level: number = guest.levels; level >= 1; level--) {
      expect.accessed(PAGE, level, true);
      expect.dirty(PAGE, level, false);
    }
    expect.access(PAGE, "write", "1f3000");
    for (let level: number = guest.levels; level >= 1; level--) expect.dirty(PAGE, level, level === 1);
  }),
];

export const CANONICAL: readonly Scenario[] = [...canonical, ...topmost];
