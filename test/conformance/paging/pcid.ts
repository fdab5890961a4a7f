import { G, type Guest, P, U, W } from "./guest.ts";
import { type Expectations, type Scenario, scenario } from "./scenario.ts";

/**
 * What MOV to CR3, INVLPG and INVPCID have to make an end of (paging.md A2, rules 13 and 14). Two address spaces with
 * process-context identifiers map the same linear page to different frames; then a mapping is changed, and after the
 * instruction the old frame must not be met again. What may survive is left open, as the architecture leaves it.
 */

const PAGE = 0x1234_0000_0000n;
const GLOBAL_PAGE = 0x1234_0020_0000n;
const ONE = 0x1f_3000;
const TWO = 0x1f_5000;
const NEW = 0x1f_7000;

/** Both spaces used with PCID 1 and 2, and the first entered again. */
function twoSpaces(guest: Guest, expect: Expectations): { first: number; second: number } {
  const [first, second] = [guest.newSpace(), guest.newSpace()];
  guest.set({ pge: true });
  guest.enter(first);
  guest.set({ pcide: true });
  for (const [root, pcid, frame] of [
    [first, 1, ONE],
    [second, 2, TWO],
  ] as const) {
    guest.enter(root, pcid);
    guest.map(PAGE, frame, P | W | U);
    guest.map(GLOBAL_PAGE, frame, P | W | U | G);
    expect.access(PAGE, "write", frame.toString(16));
  }
  guest.enter(first, 1, true);
  expect.access(PAGE, "write", "1f3000");
  expect.access(GLOBAL_PAGE, "write", "1f3000");
  return { first, second };
}

const changed = (guest: Guest) => guest.map(PAGE, NEW, P | W | U);
const globalChanged = (guest: Guest) => guest.map(GLOBAL_PAGE, NEW, P | W | U | G);
const invpcid = (guest: Guest, type: 0 | 1 | 2 | 3, pcid: number, linear = 0n) =>
  guest.subject.invalidatePcid(type, pcid, Number(linear >> 32n), Number(BigInt.asIntN(32, linear)));

export const PCID: readonly Scenario[] = [
  scenario("PCID: an address space never meets what another cached", (guest, expect) => {
    const { first, second } = twoSpaces(guest, expect);
    for (let round = 0; round < 3; round++) {
      guest.enter(second, 2, true);
      expect.access(PAGE, "write", "1f5000");
      guest.enter(first, 1, true);
      expect.access(PAGE, "write", "1f3000");
    }
  }),
  scenario("PCID: MOV to CR3 without bit 63 flushes the new identifier", (guest, expect) => {
    const { first } = twoSpaces(guest, expect);
    changed(guest);
    guest.enter(first, 1);
    expect.access(PAGE, "write", "1f7000");
  }),
  scenario("PCID: MOV to CR3 without CR4.PCIDE flushes all that is not global", (guest, expect) => {
    const root = guest.newSpace();
    guest.enter(root);
    guest.map(PAGE, ONE, P | W | U);
    expect.access(PAGE, "write", "1f3000");
    changed(guest);
    guest.enter(root);
    expect.access(PAGE, "write", "1f7000");
  }),
  scenario("PCID: clearing CR4.PCIDE flushes everything", (guest, expect) => {
    const { first } = twoSpaces(guest, expect);
    guest.enter(first, 0, true);
    expect.access(PAGE, "write", "1f3000");
    expect.access(GLOBAL_PAGE, "write", "1f3000");
    changed(guest);
    globalChanged(guest);
    guest.set({ pcide: false });
    expect.access(PAGE, "write", "1f7000");
    expect.access(GLOBAL_PAGE, "write", "1f7000");
  }),
  scenario("PCID: INVLPG flushes the page of the current identifier, and global ones", (guest, expect) => {
    twoSpaces(guest, expect);
    changed(guest);
    globalChanged(guest);
    guest.flush(PAGE);
    guest.flush(GLOBAL_PAGE);
    expect.access(PAGE, "write", "1f7000");
    expect.access(GLOBAL_PAGE, "write", "1f7000");
  }),
  scenario("INVPCID 0: one page of another identifier", (guest, expect) => {
    const { first, second } = twoSpaces(guest, expect);
    changed(guest);
    guest.enter(second, 2, true);
    invpcid(guest, 0, 1, PAGE);
    guest.enter(first, 1, true);
    expect.access(PAGE, "write", "1f7000");
  }),
  scenario("INVPCID 1: all pages of another identifier that are not global", (guest, expect) => {
    const { first, second } = twoSpaces(guest, expect);
    changed(guest);
    guest.enter(second, 2, true);
    invpcid(guest, 1, 1);
    guest.enter(first, 1, true);
    expect.access(PAGE, "write", "1f7000");
  }),
  scenario("INVPCID 2: everything", (guest, expect) => {
    const { first, second } = twoSpaces(guest, expect);
    changed(guest);
    globalChanged(guest);
    guest.enter(second, 2, true);
    invpcid(guest, 2, 0);
    guest.enter(first, 1, true);
    expect.access(PAGE, "write", "1f7000");
    expect.access(GLOBAL_PAGE, "write", "1f7000");
  }),
  scenario("INVPCID 3: everything that is not global", (guest, expect) => {
    const { first, second } = twoSpaces(guest, expect);
    changed(guest);
    guest.enter(second, 2, true);
    invpcid(guest, 3, 0);
    guest.enter(first, 1, true);
    expect.access(PAGE, "write", "1f7000");
  }),
  scenario("a change of CR4.PGE flushes everything", (guest, expect) => {
    twoSpaces(guest, expect);
    changed(guest);
    globalChanged(guest);
    guest.set({ pge: false });
    expect.access(PAGE, "write", "1f7000");
    expect.access(GLOBAL_PAGE, "write", "1f7000");
  }),
];
