import { MAP_ALL, MAP_EXECUTE, MAP_READ, MAP_WRITE } from "../../../src/hypervisor/frame-map.ts";
import { EngineSubject } from "./engine-subject.ts";
import { A, type AccessName, D, Guest, P, U, W } from "./guest.ts";
import { Expectations, type Scenario } from "./scenario.ts";
import type { Subject } from "./subject.ts";

/**
 * Accesses that the partition's map of guest physical memory has its say in, after the guest's own tables: 26 cases after
 * the `ept_access` tests of kvm-unit-tests' vmx.c (paging.md A3). A refusal by the map is no fault of the guest, and names
 * the guest physical page.
 */
interface SecondLevelCase {
  readonly what: string;
  readonly access: AccessName;
  readonly expected: string;
  /** Rights of the page that is accessed; null for a hole. */
  readonly page?: number | null;
  /** Rights of the page that its page-table entry lies in. */
  readonly table?: number | null;
  /** The page-table entry's bits. */
  readonly entry?: bigint;
  /** The page is one of 2 MiB; rights are those of its fourth small page. */
  readonly large?: boolean;
  /** What may be done is taken back only after the access went well once. */
  readonly warm?: boolean;
}

const R = MAP_READ;
const RW = MAP_READ | MAP_WRITE;
const RX = MAP_READ | MAP_EXECUTE;
const RWX = MAP_ALL;
const ENTRY = P | W | U | A | D;
const DONE = "allowed";
const PAGE_REFUSED = "page refused";
const TABLE_REFUSED = "table refused";

const CASES: readonly SecondLevelCase[] = [
  { what: "a hole, read", page: null, access: "read", expected: PAGE_REFUSED },
  { what: "a hole, written", page: null, access: "write", expected: PAGE_REFUSED },
  { what: "a hole, fetched", page: null, access: "fetch", expected: PAGE_REFUSED },
  { what: "r, read", page: R, access: "read", expected: DONE },
  { what: "r, written", page: R, access: "write", expected: PAGE_REFUSED },
  { what: "r, fetched", page: R, access: "fetch", expected: PAGE_REFUSED },
  { what: "rw, read", page: RW, access: "read", expected: DONE },
  { what: "rw, written", page: RW, access: "write", expected: DONE },
  { what: "rw, fetched", page: RW, access: "fetch", expected: PAGE_REFUSED },
  { what: "rx, read", page: RX, access: "read", expected: DONE },
  { what: "rx, written", page: RX, access: "write", expected: PAGE_REFUSED },
  { what: "rx, fetched", page: RX, access: "fetch", expected: DONE },
  { what: "rwx, written", page: RWX, access: "write", expected: DONE },
  { what: "rwx, fetched", page: RWX, access: "fetch", expected: DONE },
  { what: "taken from rwx to r, written", page: R, warm: true, access: "write", expected: PAGE_REFUSED },
  { what: "taken from rwx to rw, fetched", page: RW, warm: true, access: "fetch", expected: PAGE_REFUSED },
  { what: "unmapped after use, read", page: null, warm: true, access: "read", expected: PAGE_REFUSED },
  { what: "a large page, its part r, written", page: R, large: true, access: "write", expected: PAGE_REFUSED },
  {
    what: "a large page, its part taken to r, written",
    page: R,
    large: true,
    warm: true,
    access: "write",
    expected: PAGE_REFUSED,
  },
  { what: "a large page, its part a hole, read", page: null, large: true, access: "read", expected: PAGE_REFUSED },
  { what: "the page table a hole", table: null, access: "read", expected: TABLE_REFUSED },
  { what: "the page table r, all flags set", table: R, access: "write", expected: DONE },
  {
    what: "the page table r, accessed flag to be set",
    table: R,
    entry: P | W | U,
    access: "read",
    expected: TABLE_REFUSED,
  },
  {
    what: "the page table r, dirty flag to be set",
    table: R,
    entry: P | W | U | A,
    access: "write",
    expected: TABLE_REFUSED,
  },
  { what: "the guest's own fault goes before: not present", page: null, entry: 0n, access: "write", expected: "#PF W" },
  {
    what: "the guest's own fault goes before: read-only",
    page: R,
    entry: P | U | A,
    access: "user write",
    expected: "#PF P W U",
  },
];

const LINEAR = 0x1234_0000_3000n;
const LARGE_FRAME = 0x20_0000;
const FRAME = LARGE_FRAME + 0x3000;

/** Only a subject with a map of guest physical memory has a second level. */
export function hasSecondLevel(subject: Subject): subject is EngineSubject {
  return subject instanceof EngineSubject;
}

export const SECOND_LEVEL: readonly Scenario[] = CASES.map((test) => ({
  name: `second level: ${test.what}`,
  run(subject, levels) {
    if (!hasSecondLevel(subject)) throw new Error(`${subject.name} has no map of guest physical memory`);
    const guest = new Guest(subject, levels);
    const expect = new Expectations(guest);
    const { large = false, entry = ENTRY } = test;
    if (large) guest.map(LINEAR & ~0x1f_ffffn, LARGE_FRAME, entry, { level: 2 });
    else guest.map(LINEAR, FRAME, entry);
    const tablePage = guest.entryAddress(LINEAR, large ? 2 : 1) >>> 12;
    if (test.warm) expect.access(LINEAR, test.access, FRAME.toString(16));
    if (test.page !== undefined) setRights(subject, FRAME >>> 12, test.page);
    if (test.table !== undefined) setRights(subject, tablePage, test.table);
    expect.access(LINEAR, test.access, outcomeText(test.expected, tablePage));
    return expect.problems;
  },
}));

function outcomeText(expected: string, tablePage: number): string {
  switch (expected) {
    case DONE:
      return FRAME.toString(16);
    case PAGE_REFUSED:
      return `map refuses page ${(FRAME >>> 12).toString(16)}`;
    case TABLE_REFUSED:
      return `map refuses page ${tablePage.toString(16)}`;
    default:
      return expected;
  }
}

function setRights({ memory }: EngineSubject, page: number, rights: number | null): void {
  if (rights === null) memory.unmap(page, 1);
  else memory.protect(page, 1, rights);
}
