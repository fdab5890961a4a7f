import { hex } from "../../binary/index.ts";
import { ENTRY_ACCESSED, ENTRY_DIRTY, ENTRY_PRESENT } from "../../paging/index.ts";
import { KEYED, LARGE, PENDING_DIRTY, TABLE } from "../translation/shadow/entry.ts";
import { ROLE_DIRECT, ROLE_PKE, ROLE_USER } from "../translation/shadow/role.ts";
import { accessesOf, accessesOfMap, roleBelow, WRITES } from "./expected-rights.ts";
import type { GuestWords } from "./guest-words.ts";
import type { CorruptionKind, Findings } from "./report.ts";
import {
  ENTRIES,
  GUEST_HIGH,
  GUEST_LOW,
  NUMBER,
  ROW_WORDS,
  type ShadowPage,
  type ShadowRows,
  STATE,
  TRANSLATION,
} from "./shadow-rows.ts";
import type { TableTimes } from "./table-times.ts";

const FLAGS = ENTRY_ACCESSED | ENTRY_DIRTY;
const FRAME = ~0xfff;
const ALLOWED = 0xfff;
const ADDRESS_HIGH = 0xf_ffff;

/** What one entry is checked by; all rows of a page share it. */
interface PageContext {
  readonly page: ShadowPage;
  /** The guest's table as it stands; null where it cannot be read. */
  readonly table: Int32Array | null;
}

/**
 * Whether each shadow entry is explained (systems.md 1.4, crash-analysis hooks): by the guest's entry as it was read it leads
 * where the partition's map says and allows what the rights on the way say; and what was read is what the guest's
 * table holds, unless the guest has written there since the entry was last compared.
 */
export class ShadowAudit {
  readonly #rows: ShadowRows;
  readonly #map: Int32Array;
  readonly #guest: GuestWords;
  readonly #times: TableTimes;
  readonly #findings: Findings;
  readonly #tables: ReadonlySet<number>;

  constructor(rows: ShadowRows, map: Int32Array, guest: GuestWords, times: TableTimes, findings: Findings) {
    this.#rows = rows;
    this.#map = map;
    this.#guest = guest;
    this.#times = times;
    this.#findings = findings;
    this.#tables = new Set(rows.state.tableFrames.map(({ guestFrame }) => guestFrame));
  }

  run(): void {
    const { words } = this.#rows;
    let context: PageContext | null = null;
    for (let row = 0; row < words.length; row += ROW_WORDS) {
      const number = words[row + NUMBER]! >>> 9;
      if (context?.page.page !== number) context = this.#contextOf(number);
      if (context === null) this.#findings.skip("entries of shadow pages that the state does not hold");
      else this.#entry(row, context);
    }
    this.#findings.checked.shadowEntries += words.length / ROW_WORDS;
    this.#findings.checked.shadowPages += this.#rows.state.shadowPages.length;
    for (const page of this.#rows.state.shadowPages) this.#source(page);
  }

  #contextOf(number: number): PageContext | null {
    const page = this.#rows.page(number);
    return page === undefined ? null : { page, table: this.#guest.page(page.source >>> 9) };
  }

  /** The table that a shadow page is compared with lies where the map says. */
  #source(page: ShadowPage): void {
    const mapped = this.#map[page.source >>> 9]!;
    const word = ((mapped & FRAME) >>> 2) + (page.source & (ENTRIES - 1)) * 2;
    if (mapped !== 0 && word === page.tableWord) return;
    this.#findings.corrupt(
      "wrong-frame",
      {
        partition: this.#rows.state.name,
        guestPhysicalAddress: hex(page.source * 8),
        hostFrame: page.tableWord >>> 10,
      },
      mapped === 0 ? "no shadow page: the guest has no memory there" : `host frame ${hex(mapped >>> 12)}`,
      `host frame ${hex(page.tableWord >>> 10)}`,
      `shadow page ${page.page} is compared with a table that is not the guest's`,
    );
  }

  #entry(row: number, { page, table }: PageContext): void {
    this.#reading(row, page, table);
    if ((this.#rows.words[row + GUEST_LOW]! & ENTRY_PRESENT) === 0)
      this.#corrupt("wrong-rights", row, page, "no entry", "an entry", "stands for a guest entry that is not present");
    else if (this.#rows.isLink(row)) this.#link(row, page);
    else this.#leaf(row, page);
  }

  /** What was read when the entry was made, against what stands there now. */
  #reading(row: number, page: ShadowPage, table: Int32Array | null): void {
    if (table === null) {
      this.#findings.skip("shadow entries whose guest table is not in the dump");
      return;
    }
    const { words } = this.#rows;
    const at = this.#rows.guestIndex(row, page) * 2;
    const low = words[row + GUEST_LOW]!;
    const high = words[row + GUEST_HIGH]!;
    const nowLow = table[at]!;
    const nowHigh = table[at + 1]!;
    const same = ((low ^ nowLow) & ~FLAGS) === 0 && high === nowHigh && (low & FLAGS & ~nowLow) === 0;
    if (same || this.#mayBeOld(row, page)) return;
    this.#corrupt(
      "stale-entry",
      row,
      page,
      entryText(nowLow, nowHigh),
      entryText(low, high),
      "stands for what the guest's table held before a flush",
    );
  }

  /** Whether the guest may have written the entry since it was last compared; unknown counts as may. */
  #mayBeOld(row: number, page: ShadowPage): boolean {
    const index = this.#rows.guestIndex(row, page);
    const since = this.#rows.confirmedAt(row, page);
    const written = this.#times.writtenSince(page.source >>> 9, index, since);
    if (written !== "yes" && written !== "no") this.#findings.skip(written);
    return written !== "no";
  }

  #link(row: number, page: ShadowPage): void {
    const { words } = this.#rows;
    const low = words[row + GUEST_LOW]!;
    const high = words[row + GUEST_HIGH]!;
    const child = this.#rows.page(this.#rows.child(row));
    const isDirect = (page.role & ROLE_DIRECT) !== 0;
    const toPieces = isDirect || this.#rows.isLargeInGuest(row, page);
    const index = words[row + NUMBER]! & (ENTRIES - 1);
    const role = isDirect ? page.role : roleBelow(page.role, low, high) | (toPieces ? ROLE_DIRECT : 0);
    const source = toPieces ? page.source + (isDirect ? 0 : index) : (low >>> 12) * ENTRIES;
    const base = toPieces ? this.#firstPiece(row, page) : 0;
    if (child === undefined) {
      this.#corrupt("broken-link", row, page, "a shadow page", "none", "leads to a shadow page that does not exist");
      return;
    }
    if (child.level !== page.level - 1 || child.source !== source || child.base !== base)
      this.#corrupt(
        "broken-link",
        row,
        page,
        `level ${page.level - 1} of ${hex(source * 8)}`,
        `level ${child.level} of ${hex(child.source * 8)}`,
        "leads to the shadow page of another table",
      );
    else if (child.role !== role)
      this.#corrupt(
        "wrong-rights",
        row,
        page,
        `role ${hex(role)}`,
        `role ${hex(child.role)}`,
        "leads to a shadow page with other rights",
      );
  }

  /** First guest frame of the page whose pieces lie below an entry. */
  #firstPiece(row: number, page: ShadowPage): number {
    if ((page.role & ROLE_DIRECT) !== 0) return this.#rows.guestFrame(row, page);
    const frame = this.#rows.words[row + GUEST_LOW]! >>> 12;
    const pieces = page.level === 2 ? ENTRIES : ENTRIES * ENTRIES;
    return frame - (frame % pieces);
  }

  #leaf(row: number, page: ShadowPage): void {
    const { words } = this.#rows;
    const translation = words[row + TRANSLATION]!;
    const state = words[row + STATE]!;
    const guestFrame = this.#rows.guestFrame(row, page);
    const mapped = (words[row + GUEST_HIGH]! & ADDRESS_HIGH) === 0 ? (this.#map[guestFrame] ?? 0) : 0;
    const isLarge = (state & LARGE) !== 0;
    if (isLarge !== (page.level === 2) || page.level > 2)
      this.#corrupt("broken-link", row, page, `a leaf of level ${page.level}`, "another", "has not its level's size");
    if (
      mapped === 0 ||
      (mapped & FRAME) !== (translation & FRAME) ||
      (isLarge && !this.#isOneRun(guestFrame, mapped))
    ) {
      const expected = mapped === 0 ? "no entry: the guest has no memory there" : `host frame ${hex(mapped >>> 12)}`;
      this.#corrupt(
        "wrong-frame",
        row,
        page,
        expected,
        `host frame ${hex(translation >>> 12)}`,
        "leads to a host frame that is not behind the guest's",
      );
      return;
    }
    this.#rights(row, page, mapped);
    if ((state & TABLE) === 0 && this.#hasTable(guestFrame, isLarge))
      this.#corrupt("wrong-rights", row, page, "marked", "not marked", "lets a TLB hold a page table of the guest");
  }

  #rights(row: number, page: ShadowPage, mapped: number): void {
    const { words } = this.#rows;
    const low = words[row + GUEST_LOW]!;
    const state = words[row + STATE]!;
    const role = roleBelow(page.role, low, words[row + GUEST_HIGH]!);
    const rights = accessesOf(role) & accessesOfMap(mapped);
    const isDirty = (low & ENTRY_DIRTY) !== 0 || (state & PENDING_DIRTY) !== 0;
    const allowed = words[row + TRANSLATION]! & ALLOWED;
    const keyed = (role & (ROLE_PKE | ROLE_USER)) === (ROLE_PKE | ROLE_USER);
    const found = (allowed & ~rights) !== 0 || (keyed && (state & KEYED) === 0);
    // A dirty flag that could not be written, because the guest had changed the entry, is not pending any more.
    const unnoticed = !isDirty && (allowed & WRITES) !== 0;
    if (!found && !(unnoticed && !this.#mayBeOld(row, page))) return;
    this.#corrupt(
      "wrong-rights",
      row,
      page,
      `accesses ${hex(isDirty ? rights : rights & ~WRITES)}${keyed ? ", protection keys" : ""}`,
      `accesses ${hex(allowed)}${(state & KEYED) !== 0 ? ", protection keys" : ""}`,
      "allows what the guest's tables and the partition's map do not",
    );
  }

  /** Whether a large page is one in the host: 512 frames one after another, aligned, with the same rights. */
  #isOneRun(firstFrame: number, mapped: number): boolean {
    if (((mapped >>> 12) & (ENTRIES - 1)) !== 0) return false;
    for (let piece = 1; piece < ENTRIES; piece++)
      if (this.#map[firstFrame + piece] !== ((mapped + (piece << 12)) | 0)) return false;
    return true;
  }

  #hasTable(guestFrame: number, isLarge: boolean): boolean {
    if (!isLarge) return this.#tables.has(guestFrame);
    for (let piece = 0; piece < ENTRIES; piece++) if (this.#tables.has(guestFrame + piece)) return true;
    return false;
  }

  #corrupt(kind: CorruptionKind, row: number, page: ShadowPage, expected: string, found: string, what: string): void {
    const { words, state } = this.#rows;
    const entry = words[row + NUMBER]! >>> 0;
    const at = this.#rows.place(entry);
    const isLink = this.#rows.isLink(row);
    const gpa = isLink
      ? (page.source - (page.source % ENTRIES) + this.#rows.guestIndex(row, page)) * 8
      : this.#rows.guestFrame(row, page) * 4096;
    this.#findings.corrupt(
      kind,
      {
        partition: state.name,
        addressSpace: at?.addressSpace ?? null,
        linearAddress: at?.linearAddress ?? null,
        guestPhysicalAddress: hex(gpa),
        hostFrame: isLink ? null : words[row + TRANSLATION]! >>> 12,
      },
      expected,
      found,
      `the shadow ${isLink ? "link" : "entry"} for ${at?.linearAddress ?? "no linear address"} in ${state.name} ${what}`,
    );
  }
}

function entryText(low: number, high: number): string {
  return `guest entry ${hex((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0))}`;
}
