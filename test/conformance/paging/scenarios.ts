import { NX, P, U, W } from "./guest.ts";
import { type Scenario, scenario } from "./scenario.ts";

/**
 * The six scenarios that access.c runs after its combinations (paging.md A3): states of page tables that shadow paging has
 * got wrong in its history. Each is told by what software does and what it has to see.
 */

const LARGE_FRAME = 0x20_0000;
const FRAME = 0x1f_3000;
const OTHER_FRAME = 0x1f_5000;

const FIRST = 0x1234_0000_0000n;
const SECOND = 0x6666_0000_0000n;
const MIB_2 = 0x20_0000n;
const GIB_1 = 0x4000_0000n;

export const SCENARIOS: readonly Scenario[] = [
  scenario("a read-only large page stays so when its frames are written through a writable alias", (guest, expect) => {
    guest.map(SECOND, LARGE_FRAME, P, { level: 2 });
    expect.access(SECOND, "read", "200000");
    guest.map(FIRST, LARGE_FRAME, P | W, { level: 2 });
    expect.access(FIRST, "read", "200000");
    expect.access(FIRST, "write", "200000");
    expect.access(SECOND, "write", "#PF P W");
    expect.dirty(FIRST, 2, true);
    expect.dirty(SECOND, 2, false);
  }),

  scenario(
    "a page that was filled ahead of its first use faults with the error code of its own entry",
    (guest, expect) => {
      const page = (number: bigint) => FIRST + 0x600_0000n + number * 0x1000n;
      guest.map(page(1n), FRAME, P);
      guest.map(page(2n), FRAME, P | W | U | NX);
      guest.map(page(3n), FRAME, P | NX);
      guest.map(page(4n), FRAME, 0n);
      guest.map(page(5n), FRAME, P | (1n << 51n));
      guest.map(page(6n), FRAME, P | U);
      expect.access(page(1n), "read", "1f3000");
      expect.access(page(2n), "user fetch", "#PF P U I");
      expect.access(page(3n), "fetch", "#PF P I");
      expect.access(page(3n), "user read", "#PF P U");
      expect.access(page(4n), "read", "#PF");
      expect.access(page(5n), "write", "#PF P W RSVD");
      expect.access(page(6n), "write", "#PF P W");
      expect.access(page(6n), "user read", "1f3000");
    },
  ),

  scenario(
    "CR0.WP=0: a write through either of two read-only mappings of a large page sets its dirty flag",
    (guest, expect) => {
      const [first, second] = [FIRST + 0x300_0000n, SECOND + 0x600_0000n];
      guest.set({ wp: false });
      guest.map(second, LARGE_FRAME, P, { level: 2 });
      expect.access(second, "read", "200000");
      guest.map(first, LARGE_FRAME, P, { level: 2 });
      expect.access(first, "write", "200000");
      expect.dirty(first, 2, true);
      expect.dirty(second, 2, false);
      expect.access(second, "write", "200000");
      expect.dirty(second, 2, true);
    },
  ),

  scenario("SMEP refuses a fetch from a user page that a supervisor wrote with CR0.WP=0", (guest, expect) => {
    guest.set({ wp: false, smep: true });
    guest.map(FIRST, FRAME, P | U);
    expect.access(FIRST, "write", "1f3000");
    expect.access(FIRST, "fetch", "#PF P I");
    expect.access(FIRST, "user fetch", "1f3000");
    guest.set({ nx: false });
    expect.access(FIRST, "fetch", "#PF P I");
    guest.set({ smep: false });
    expect.access(FIRST, "fetch", "1f3000");
  }),

  scenario("CR0.WP counts as it stands at each write, with nothing flushed in between", (guest, expect) => {
    guest.map(FIRST, FRAME, P | U);
    for (let round = 0; round < 3; round++) {
      guest.set({ wp: true });
      expect.access(FIRST, "read", "1f3000");
      expect.access(FIRST, "write", "#PF P W");
      guest.set({ wp: false });
      expect.access(FIRST, "write", "1f3000");
      expect.access(FIRST, "user write", "#PF P W U");
    }
    // What was written with WP=0 is no less the user's to read, and no more the user's to write.
    guest.set({ wp: true });
    expect.access(FIRST, "user read", "1f3000");
    expect.access(FIRST, "write", "#PF P W");
  }),

  scenario("a page directory reached through two pointers of different rights gives each its own", (guest, expect) => {
    const [readOnly, writable] = [FIRST + 0x8000_0000n, FIRST + 0x8000_0000n + MIB_2];
    guest.map(readOnly, FRAME, P | W | U);
    guest.map(writable, OTHER_FRAME, P | W | U);
    guest.setEntry(readOnly, 2, guest.entry(readOnly, 2) & ~W);
    guest.setEntry(readOnly + GIB_1, 3, guest.entry(readOnly, 3) & ~W);
    expect.access(readOnly, "user read", "1f3000");
    expect.access(writable, "user write", "1f5000");
    expect.access(readOnly + GIB_1, "user read", "1f3000");
    expect.access(writable + GIB_1, "user write", "#PF P W U");
    expect.access(writable + GIB_1, "user read", "1f5000");
    expect.access(readOnly, "user write", "#PF P W U");
    expect.access(writable, "user write", "1f5000");
  }),
];
