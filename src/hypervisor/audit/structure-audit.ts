import { hex } from "../../binary/index.ts";
import { PARTITION_WORDS, wordAt, wordsOf } from "../state/index.ts";
import { ROLE_DIRECT, ROLE_NO_EXECUTE, ROLE_USER, ROLE_WRITABLE } from "../translation/shadow/role.ts";
import type { CorruptionKind, Findings } from "./report.ts";
import { ENTRIES, NEXT, NONE, PREVIOUS, ROW_WORDS, type ShadowPage, type ShadowRows } from "./shadow-rows.ts";

const MAPPER = PARTITION_WORDS.mappers;
const MAPPER_WORDS = wordsOf(MAPPER);
const MAPPER_FRAME = wordAt(MAPPER, "guestFrame");
const MAPPER_ENTRY = wordAt(MAPPER, "entry");

const ROOT_RIGHTS = ROLE_USER | ROLE_WRITABLE;

/** Whether the shadow pages hang together: counts, the page budget, roots, and the two reverse maps. */
export class StructureAudit {
  readonly #rows: ShadowRows;
  readonly #findings: Findings;
  /** By row, whether a reverse map has it. */
  readonly #seen: Uint8Array;

  constructor(rows: ShadowRows, findings: Findings) {
    this.#rows = rows;
    this.#findings = findings;
    this.#seen = new Uint8Array(rows.words.length / ROW_WORDS);
  }

  run(): void {
    this.#budget();
    this.#pages();
    this.#roots();
    this.#mappers();
    this.#parents();
    this.#rest();
  }

  #budget(): void {
    const { shadowPages, partition } = this.#rows.state;
    const { used, budget } = partition[0]!;
    if (used !== shadowPages.length)
      this.#corrupt(
        "reference-count",
        null,
        shadowPages.length,
        used,
        "the count of shadow pages is not how many there are",
      );
    if (shadowPages.length > budget)
      this.#corrupt("over-budget", null, budget, shadowPages.length, "there are more shadow pages than there may be");
  }

  /** Each page once, and each guest table frame with as many pages as it counts. */
  #pages(): void {
    const { shadowPages, tableFrames } = this.#rows.state;
    const keys = new Set<string>();
    const shadows = new Map<number, number>();
    for (const page of shadowPages) {
      const key = `${page.source} ${page.level} ${page.role} ${page.piece}`;
      if (keys.has(key))
        this.#corrupt("broken-link", page, "one", "two", "a table has two shadow pages of the same role");
      keys.add(key);
      shadows.set(page.source >>> 9, (shadows.get(page.source >>> 9) ?? 0) + 1);
    }
    for (const { guestFrame, shadows: counted } of tableFrames) {
      const found = shadows.get(guestFrame) ?? 0;
      shadows.delete(guestFrame);
      if (found !== counted)
        this.#corrupt(
          "reference-count",
          null,
          found,
          counted,
          `guest frame ${hex(guestFrame)} has not as many shadow pages`,
        );
    }
    for (const [guestFrame, found] of shadows)
      this.#corrupt(
        "reference-count",
        null,
        found,
        0,
        `guest frame ${hex(guestFrame)} has shadow pages and counts none`,
      );
  }

  #roots(): void {
    const { roots, spaces } = this.#rows.state;
    for (const { space, page: number, levels, role } of roots) {
      const page = this.#rows.page(number);
      const { tag } = spaces[space]!;
      const rights = ROOT_RIGHTS | ROLE_NO_EXECUTE | ROLE_DIRECT;
      const fits =
        page !== undefined &&
        page.level === levels &&
        page.role === role &&
        page.source === Math.floor(tag / 4096) * ENTRIES &&
        (role & rights) === ROOT_RIGHTS;
      if (!fits)
        this.#corrupt(
          "broken-link",
          page ?? null,
          hex(tag),
          hex((page?.source ?? 0) * 8),
          "an address space begins in a wrong page",
        );
    }
  }

  /** Guest frame to the leaves that map it. */
  #mappers(): void {
    const { mappers } = this.#rows.state;
    for (let at = 0; at < mappers.length; at += MAPPER_WORDS) {
      const guestFrame = mappers[at + MAPPER_FRAME]!;
      const fits = (row: number, page: ShadowPage) =>
        !this.#rows.isLink(row) && this.#rows.guestFrame(row, page) === guestFrame;
      this.#chain(mappers[at + MAPPER_ENTRY]!, fits, `the reverse map of guest frame ${hex(guestFrame)}`);
    }
  }

  /** Shadow page to the links that lead to it; with the address spaces that begin there they are its references. */
  #parents(): void {
    const { shadowPages, roots } = this.#rows.state;
    for (const page of shadowPages) {
      const fits = (row: number) => this.#rows.isLink(row) && this.#rows.child(row) === page.page;
      const links = this.#chain(page.firstParent, fits, `the list of links to shadow page ${page.page}`);
      const references = links + roots.filter((root) => root.page === page.page).length;
      if (references !== page.references)
        this.#corrupt(
          "reference-count",
          page,
          references,
          page.references,
          "a shadow page is not led to as often as it counts",
        );
    }
  }

  /** @returns how many entries the chain has, up to where it breaks */
  #chain(first: number, fits: (row: number, page: ShadowPage) => boolean, name: string): number {
    const { words } = this.#rows;
    let length = 0;
    for (let entry = first, previous = NONE; entry !== NONE; ) {
      const row = this.#rows.row(entry);
      const page = this.#rows.page(entry >>> 9);
      const isThere = row !== NONE && page !== undefined && this.#seen[row / ROW_WORDS] === 0;
      if (!isThere || !fits(row, page) || words[row + PREVIOUS] !== previous) {
        this.#corrupt(
          "reverse-map",
          page ?? null,
          "an entry that belongs there",
          `entry ${entry}`,
          `${name} is broken`,
        );
        return length;
      }
      this.#seen[row / ROW_WORDS] = 1;
      previous = entry;
      entry = words[row + NEXT]!;
      length++;
    }
    return length;
  }

  #rest(): void {
    const missing = this.#seen.reduce((sum, seen) => sum + 1 - seen, 0);
    if (missing > 0) this.#corrupt("reverse-map", null, 0, missing, "entries are in no reverse map");
  }

  #corrupt(
    kind: CorruptionKind,
    page: ShadowPage | null,
    expected: string | number,
    found: string | number,
    text: string,
  ): void {
    const { name } = this.#rows.state;
    const gpa = page === null ? null : hex(page.source * 8);
    this.#findings.corrupt(
      kind,
      { partition: name, guestPhysicalAddress: gpa },
      String(expected),
      String(found),
      `${text} (${name})`,
    );
  }
}
