import { describe, expect, it } from "vitest";
import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_IMPLICIT,
  ACCESS_USER,
  ACCESS_WRITE,
  CR0_WP,
  CR4_LA57,
  CR4_PGE,
  CR4_PKE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_NXE,
  FAULT_GENERAL_PROTECTION,
  FAULT_PAGE,
  PageWalker,
  type PagingState,
} from "../../src/paging/index.ts";
import { high, low, TablePages } from "./table-pages.ts";

/** Every table of the address 0x1000-0x1fff (and 0xffff…) in its own page: PML5 1, PML4 2, PDPT 3, PD 4, PT 5. */
const PML5E = 0x1000;
const PML4E = 0x2000;
const PDPTE = 0x3000;
const PDE = 0x4000;
const PTE = 0x5000;
const OPEN = 0x7n;
const NX = 1n << 63n;

interface Setting {
  entries?: Record<number, bigint>;
  state?: Partial<PagingState>;
  maxPhysicalAddressBits?: number;
  gigabytePages?: boolean;
}

/** An all-open mapping of linear 0 to physical 0x9000, with what the case changes. */
function machine({ entries = {}, state = {}, maxPhysicalAddressBits = 40, gigabytePages = true }: Setting) {
  const tables = new TablePages(8);
  const laid = { [PML5E]: 0x2000n, [PML4E]: 0x3000n, [PDPTE]: 0x4000n, [PDE]: 0x5000n, [PTE]: 0x9000n };
  for (const [address, next] of Object.entries(laid)) tables.setEntry(Number(address), next | OPEN);
  for (const [address, value] of Object.entries(entries)) tables.setEntry(Number(address), value);
  const full = { cr0: CR0_WP, cr4: 0, efer: EFER_NXE, pkru: 0, ...state };
  const cr3 = (full.cr4 & CR4_LA57) !== 0 ? PML5E : PML4E;
  const walker = new PageWalker(tables, { maxPhysicalAddressBits, gigabytePages, setFlags: true });
  const walk = (linear: bigint, access = 0) => {
    if (walker.walk({ ...full, cr3 }, high(linear), low(linear), access)) return walker.physicalAddress;
    return walker.fault === FAULT_PAGE ? { pageFault: walker.errorCode } : "#GP";
  };
  return { tables, walker, walk };
}

const pageFault = (errorCode: number) => ({ pageFault: errorCode });

describe("paging A2/1: an address that is not canonical is a general protection fault, whatever the tables hold", () => {
  it.each([
    [0, 0x0000_7fff_ffff_ffffn, false],
    [0, 0x0000_8000_0000_0000n, true],
    [0, 0xffff_7fff_ffff_ffffn, true],
    [0, 0xffff_8000_0000_0000n, false],
    [CR4_LA57, 0x00ff_ffff_ffff_ffffn, false],
    [CR4_LA57, 0x0100_0000_0000_0000n, true],
    [CR4_LA57, 0xfeff_ffff_ffff_ffffn, true],
    [CR4_LA57, 0xff00_0000_0000_0000n, false],
  ])("CR4 %#x, address %#x", (cr4, linear, faults) => {
    const { walk, walker } = machine({ state: { cr4 } });
    expect(walk(linear) === "#GP").toBe(faults);
    if (faults) expect([walker.fault, walker.errorCode]).toEqual([FAULT_GENERAL_PROTECTION, 0]);
  });
});

describe("paging A2/2: reserved bits of present entries fault with RSVD", () => {
  const reserved = pageFault(0b1001);

  it("an address bit from MAXPHYADDR to 51, at every level", () => {
    for (const [address, next] of [
      [PML4E, 0x3000n],
      [PDPTE, 0x4000n],
      [PDE, 0x5000n],
      [PTE, 0x9000n],
    ] as const) {
      for (const bit of [36n, 51n])
        expect(
          machine({ entries: { [address]: next | OPEN | (1n << bit) }, maxPhysicalAddressBits: 36 }).walk(0n),
        ).toEqual(reserved);
      const below = machine({ entries: { [address]: next | OPEN | (1n << 52n) }, maxPhysicalAddressBits: 36 });
      expect(below.walk(0n)).toBe(0x9000);
    }
  });

  it("bit 63 while EFER.NXE is clear", () => {
    const entries = { [PTE]: 0x9000n | OPEN | NX };
    expect(machine({ entries, state: { efer: 0 } }).walk(0n)).toEqual(reserved);
    expect(machine({ entries }).walk(0n)).toBe(0x9000);
  });

  it("PS in a PML4 or PML5 entry, and in a directory-pointer entry of a machine without 1 GiB pages", () => {
    expect(machine({ entries: { [PML4E]: 0x3000n | OPEN | 0x80n } }).walk(0n)).toEqual(reserved);
    const five = { state: { cr4: CR4_LA57 }, entries: { [PML5E]: 0x2000n | OPEN | 0x80n } };
    expect(machine(five).walk(0n)).toEqual(reserved);
    const gigabyte = { [PDPTE]: 0x4000_0000n | OPEN | 0x80n };
    expect(machine({ entries: gigabyte, gigabytePages: false }).walk(0n)).toEqual(reserved);
    expect(machine({ entries: gigabyte }).walk(0x123_4567n)).toBe(0x4123_4567);
  });

  it("bits 20:13 of a 2 MiB page and 29:13 of a 1 GiB page, but not bit 12 (PAT)", () => {
    for (const bit of [13n, 20n])
      expect(machine({ entries: { [PDE]: OPEN | 0x80n | (1n << bit) } }).walk(0n)).toEqual(reserved);
    for (const bit of [13n, 29n])
      expect(machine({ entries: { [PDPTE]: OPEN | 0x80n | (1n << bit) } }).walk(0n)).toEqual(reserved);
    expect(machine({ entries: { [PDE]: OPEN | 0x1080n | (1n << 21n) } }).walk(0x1f_ffffn)).toBe(0x3f_ffff);
  });

  it("the same bits mean nothing in an entry that is not present", () => {
    expect(machine({ entries: { [PTE]: NX | (1n << 51n) }, state: { efer: 0 } }).walk(0n)).toEqual(pageFault(0));
  });
});

describe("paging A2/3: what is not present faults without P, what is reserved with P and RSVD", () => {
  it.each([PML4E, PDPTE, PDE, PTE])("entry at %#x", (address) => {
    expect(machine({ entries: { [address]: 0x9006n } }).walk(0n)).toEqual(pageFault(0));
    expect(machine({ entries: { [address]: 0x9007n | (1n << 50n) } }).walk(0n, ACCESS_USER)).toEqual(pageFault(0b1101));
  });
});

describe("paging A2/4: the error code describes the access", () => {
  const absent = { entries: { [PTE]: 0n } };
  it("W/R for a write, U/S for a user's access", () => {
    expect(machine(absent).walk(0n, ACCESS_WRITE)).toEqual(pageFault(0b00010));
    expect(machine(absent).walk(0n, ACCESS_USER)).toEqual(pageFault(0b00100));
    expect(machine(absent).walk(0n, ACCESS_USER | ACCESS_WRITE)).toEqual(pageFault(0b00110));
  });

  it("I/D for a fetch, but only with NXE or SMEP", () => {
    expect(machine(absent).walk(0n, ACCESS_FETCH)).toEqual(pageFault(0b10000));
    expect(machine({ ...absent, state: { efer: 0, cr4: CR4_SMEP } }).walk(0n, ACCESS_FETCH)).toEqual(
      pageFault(0b10000),
    );
    expect(machine({ ...absent, state: { efer: 0 } }).walk(0n, ACCESS_FETCH)).toEqual(pageFault(0));
  });

  it("an implicit access is the supervisor's, even while user code runs", () => {
    expect(machine(absent).walk(0n, ACCESS_USER | ACCESS_IMPLICIT)).toEqual(pageFault(0));
  });
});

describe("paging A2/5: every entry has to allow it", () => {
  it.each([PML4E, PDPTE, PDE, PTE])("rights taken away at %#x", (address) => {
    const next = { [PML4E]: 0x3000n, [PDPTE]: 0x4000n, [PDE]: 0x5000n, [PTE]: 0x9000n }[address]!;
    expect(machine({ entries: { [address]: next | 0b011n } }).walk(0n, ACCESS_USER)).toEqual(pageFault(0b101));
    expect(machine({ entries: { [address]: next | 0b101n } }).walk(0n, ACCESS_WRITE)).toEqual(pageFault(0b011));
    expect(machine({ entries: { [address]: next | OPEN | NX } }).walk(0n, ACCESS_FETCH)).toEqual(pageFault(0b10001));
  });

  it("a large page ends the walk and reports its size and rights", () => {
    const { walk, walker } = machine({ entries: { [PDE]: 0x60_0000n | 0x185n | NX }, state: { cr4: CR4_PGE } });
    expect(walk(0x12_3456n)).toBe(0x72_3456);
    const { pageShift, writable, user, executable, global } = walker;
    expect({ pageShift, writable, user, executable, global }).toEqual({
      pageShift: 21,
      writable: false,
      user: true,
      executable: false,
      global: true,
    });
  });
});

describe("paging A2/6: a write to a read-only page", () => {
  const readOnly = { [PTE]: 0x9005n };
  it("is the supervisor's right only with WP clear, and never the user's", () => {
    expect(machine({ entries: readOnly, state: { cr0: 0 } }).walk(0n, ACCESS_WRITE)).toBe(0x9000);
    expect(machine({ entries: readOnly }).walk(0n, ACCESS_WRITE)).toEqual(pageFault(0b011));
    expect(machine({ entries: readOnly, state: { cr0: 0 } }).walk(0n, ACCESS_WRITE | ACCESS_USER)).toEqual(
      pageFault(0b111),
    );
  });
});

describe("paging A2/7: SMEP and SMAP keep the supervisor from user pages", () => {
  it("SMEP refuses fetches, also with WP clear; SMAP does not", () => {
    expect(machine({ state: { cr4: CR4_SMEP, cr0: 0 } }).walk(0n, ACCESS_FETCH)).toEqual(pageFault(0b10001));
    expect(machine({ state: { cr4: CR4_SMAP } }).walk(0n, ACCESS_FETCH)).toBe(0x9000);
    expect(machine({ state: { cr4: CR4_SMEP } }).walk(0n, ACCESS_FETCH | ACCESS_USER)).toBe(0x9000);
  });

  it("SMAP refuses explicit data accesses unless RFLAGS.AC is set, implicit ones always", () => {
    const smap = { state: { cr4: CR4_SMAP } };
    expect(machine(smap).walk(0n)).toEqual(pageFault(0b001));
    expect(machine(smap).walk(0n, ACCESS_AC)).toBe(0x9000);
    expect(machine(smap).walk(0n, ACCESS_AC | ACCESS_IMPLICIT)).toEqual(pageFault(0b001));
    expect(machine(smap).walk(0n, ACCESS_USER)).toBe(0x9000);
    expect(machine({ ...smap, entries: { [PDE]: 0x5003n } }).walk(0n)).toBe(0x9000);
  });
});

describe("paging A2/8: protection keys", () => {
  const key3 = { [PTE]: 0x9000n | OPEN | (3n << 59n) };
  const keyed = (pkru: number, more: Partial<PagingState> = {}) =>
    machine({ entries: key3, state: { cr4: CR4_PKE, pkru, ...more } });
  it("access-disable refuses user and supervisor data accesses, not fetches", () => {
    expect(keyed(0b01 << 6).walk(0n, ACCESS_USER)).toEqual(pageFault(0b100101));
    expect(keyed(0b01 << 6).walk(0n)).toEqual(pageFault(0b100001));
    expect(keyed(0b01 << 6).walk(0n, ACCESS_FETCH | ACCESS_USER)).toBe(0x9000);
  });

  it("write-disable refuses writes: the user's always, the supervisor's with WP", () => {
    expect(keyed(0b10 << 6).walk(0n, ACCESS_USER)).toBe(0x9000);
    expect(keyed(0b10 << 6).walk(0n, ACCESS_USER | ACCESS_WRITE)).toEqual(pageFault(0b100111));
    expect(keyed(0b10 << 6).walk(0n, ACCESS_WRITE)).toEqual(pageFault(0b100011));
    expect(keyed(0b10 << 6, { cr0: 0 }).walk(0n, ACCESS_WRITE)).toBe(0x9000);
  });

  it("counts for user pages only, takes the leaf's key only, and not at all without CR4.PKE", () => {
    const supervisorPage = { [PTE]: 0x9003n | (3n << 59n) };
    const state = { cr4: CR4_PKE, pkru: 0b01 << 6 };
    expect(machine({ entries: supervisorPage, state }).walk(0n)).toBe(0x9000);
    expect(machine({ entries: { [PDE]: 0x5007n | (3n << 59n) }, state }).walk(0n)).toBe(0x9000);
    expect(keyed(0b01 << 6, { cr4: 0 }).walk(0n, ACCESS_USER)).toBe(0x9000);
  });

  it("key 15 reads the topmost bits of PKRU", () => {
    const entries = { [PTE]: 0x9000n | OPEN | (15n << 59n) };
    expect(machine({ entries, state: { cr4: CR4_PKE, pkru: 0x4000_0000 } }).walk(0n)).toEqual(pageFault(0b100001));
    expect(machine({ entries, state: { cr4: CR4_PKE, pkru: -0x8000_0000 } }).walk(0n)).toBe(0x9000);
  });
});

describe("paging A2/9: accessed and dirty flags", () => {
  it("a read marks every entry accessed and none dirty; a write marks the leaf dirty", () => {
    const { tables, walk } = machine({});
    walk(0n);
    expect([PML4E, PDPTE, PDE, PTE].map((at) => tables.entry(at) & 0x60n)).toEqual([0x20n, 0x20n, 0x20n, 0x20n]);
    walk(0n, ACCESS_WRITE);
    expect([PML4E, PDPTE, PDE, PTE].map((at) => tables.entry(at) & 0x60n)).toEqual([0x20n, 0x20n, 0x20n, 0x60n]);
  });

  it("a refused access marks nothing", () => {
    const { tables, walk } = machine({ entries: { [PTE]: 0x9005n } });
    walk(0n, ACCESS_WRITE);
    expect(tables.writes).toEqual([]);
  });

  it("flags that stand are not written again", () => {
    const { tables, walk } = machine({});
    walk(0n, ACCESS_WRITE);
    const first = tables.writes.length;
    walk(0n, ACCESS_WRITE);
    walk(0n);
    expect([first, tables.writes.length]).toEqual([4, 4]);
  });

  it("a walker that is not to set flags never writes", () => {
    const { tables } = machine({});
    const debuggerWalker = new PageWalker(tables, { maxPhysicalAddressBits: 40, setFlags: false });
    expect(debuggerWalker.walk({ cr0: 0, cr3: PML4E, cr4: 0, efer: EFER_NXE, pkru: 0 }, 0, 0, ACCESS_WRITE)).toBe(true);
    expect(tables.writes).toEqual([]);
  });
});

describe("paging A2/10: a write after a read", () => {
  it("sets dirty although the read has been translated before, for pages of every size", () => {
    for (const [leaf, value] of [
      [PTE, 0x9007n],
      [PDE, 0x60_0087n],
      [PDPTE, 0x4000_0087n],
    ] as const) {
      const { tables, walk } = machine({ entries: { [leaf]: value } });
      walk(0n);
      expect(tables.entry(leaf)).toBe(value | 0x20n);
      walk(0n, ACCESS_WRITE);
      expect(tables.entry(leaf)).toBe(value | 0x60n);
    }
  });
});

describe("addresses beyond 32 bits", () => {
  it("the root, the tables and the page may lie anywhere below 2^52", () => {
    const far = 0xf_ffff_ffff_f000;
    const table = new Map<number, number>([
      [0x8_0000_0000_0000 + 8, 0x1003],
      [0x8_0000_0000_0000 + 12, 0x4_0000],
      [0x4_0000_0000_1000, 0x83],
      [0x4_0000_0000_1004, 0xf_ffff],
    ]);
    const walker = new PageWalker(
      { readWord: (address) => table.get(address) ?? 0 },
      { maxPhysicalAddressBits: 52, setFlags: false },
    );
    const state = { cr0: 0, cr3: 0x8_0000_0000_0000 + 0xabc, cr4: 0, efer: EFER_NXE, pkru: 0 };
    expect(walker.walk(state, 1 << 7, 0x3fff_ffff, 0)).toBe(true);
    expect(walker.physicalAddress).toBe(0xf_ffff_3fff_ffff);
    expect(walker.physicalAddress).toBeLessThan(far);
    expect(walker.pageShift).toBe(30);
  });

  it("no machine has fewer than 32 or more than 52 address bits", () => {
    for (const maxPhysicalAddressBits of [31, 53, 40.5])
      expect(() => new PageWalker({ readWord: () => 0 }, { maxPhysicalAddressBits, setFlags: false })).toThrow(
        expect.objectContaining({ code: "paging/address-width" }),
      );
  });
});
