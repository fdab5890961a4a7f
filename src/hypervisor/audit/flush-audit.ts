import { hex, joinAddress } from "../../binary/index.ts";
import { ENTRY_GLOBAL, tableIndex } from "../../paging/index.ts";
import type { PartitionState } from "../state/index.ts";
import { FLUSH_ALL, FLUSH_NON_GLOBAL, FLUSH_PCID } from "../translation/flush-journal.ts";
import { ROLE_DIRECT } from "../translation/shadow/role.ts";
import type { Findings } from "./report.ts";
import { ENTRIES, GUEST_LOW, NONE, type ShadowRows, TRANSLATION } from "./shadow-rows.ts";

export type Flush = PartitionState["flushes"][number];
type Space = PartitionState["spaces"][number];

const PAGE = 4096;

/** Whether a flush takes what belongs to an address space. */
export function takesSpace({ scope, of }: Flush, tag: number, pcid: number): boolean {
  return scope === FLUSH_ALL || scope === FLUSH_NON_GLOBAL || of === (scope === FLUSH_PCID ? pcid : tag);
}

/** Whether a flush is for a processor's TLB too. */
export function takesProcessor({ processorsLow, processorsHigh }: Flush, processor: number): boolean {
  return ((processor < 32 ? processorsLow : processorsHigh) & (1 << (processor & 31))) !== 0;
}

/**
 * Whether the flushes on record were carried out in the shadow tables: every address space that one was for knows of it, and no
 * leaf at a flushed address is older than the flush and would still be used.
 */
export class FlushAudit {
  readonly #rows: ShadowRows;
  readonly #findings: Findings;

  constructor(rows: ShadowRows, findings: Findings) {
    this.#rows = rows;
    this.#findings = findings;
  }

  run(): void {
    const { flushes, spaces } = this.#rows.state;
    this.#findings.checked.flushes += flushes.length;
    spaces.forEach((space, number) => {
      // First what can be said with an address and a frame.
      for (const flush of flushes) if (flush.pages > 0) this.#pages(flush, space, number);
      this.#whole(space);
    });
  }

  /** The last flush of each kind that the space is to know of: older ones are done with it. */
  #whole(space: Space): void {
    const { flushes } = this.#rows.state;
    const mine = flushes.filter((flush) => takesSpace(flush, space.tag, space.pcid));
    const whole = mine.filter(({ pages }) => pages === 0).at(-1);
    const any = mine.at(-1);
    if (whole !== undefined && space.flushedAt < whole.serial) this.#lost(space, whole, space.flushedAt);
    else if (any !== undefined && space.waysFlushedAt < any.serial) this.#lost(space, any, space.waysFlushedAt);
  }

  #lost(space: Space, flush: Flush, last: number): void {
    const { name } = this.#rows.state;
    const linear = flush.pages === 0 ? null : hex(joinAddress(flush.high, flush.low));
    this.#findings.corrupt(
      "lost-flush",
      { partition: name, addressSpace: hex(space.tag), linearAddress: linear },
      `flush ${flush.serial}`,
      `flush ${last}`,
      `address space ${hex(space.tag)} of ${name} has not seen a flush that was asked for`,
    );
  }

  #pages(flush: Flush, space: Space, number: number): void {
    const mine = takesSpace(flush, space.tag, space.pcid);
    if (!mine && flush.scope !== FLUSH_PCID) return;
    for (const root of this.#rows.state.roots)
      if (root.space === number)
        for (let page = 0; page < flush.pages; page++) {
          const low = (flush.low >>> 0) + page * PAGE;
          this.#page(flush, space, root, flush.high + Math.floor(low / 2 ** 32), low | 0, mine);
        }
  }

  #page(
    flush: Flush,
    space: Space,
    root: PartitionState["roots"][number],
    high: number,
    low: number,
    mine: boolean,
  ): void {
    const sign = high >> (root.levels === 5 ? 24 : 15);
    if (sign !== 0 && sign !== -1) return;
    const rows = this.#rows;
    let number = root.page;
    for (let level = root.levels; level > 0; level--) {
      const page = rows.page(number);
      const row = rows.row(number * ENTRIES + tableIndex(level, high, low));
      if (page === undefined || row === NONE) return;
      const child = rows.isLink(row) ? rows.page(rows.child(row)) : undefined;
      if (child !== undefined && (child.role & ROLE_DIRECT) === 0) {
        number = child.page;
        continue;
      }
      const isGlobal = (rows.words[row + GUEST_LOW]! & ENTRY_GLOBAL) !== 0;
      const willBeCompared = page.validatedAt < (level === 1 ? space.flushedAt : space.waysFlushedAt);
      if ((!mine && !isGlobal) || willBeCompared || rows.confirmedAt(row, page) >= flush.serial) return;
      const address = hex(joinAddress(high, low));
      this.#findings.corrupt(
        "lost-flush",
        {
          partition: rows.state.name,
          addressSpace: hex(space.tag),
          linearAddress: address,
          guestPhysicalAddress: rows.isLink(row) ? null : hex(rows.guestFrame(row, page) * PAGE),
          hostFrame: rows.isLink(row) ? null : rows.words[row + TRANSLATION]! >>> 12,
        },
        `nothing that is older than flush ${flush.serial}`,
        `an entry of flush ${rows.confirmedAt(row, page)}`,
        `the shadow entry for ${address} in ${rows.state.name} has survived its flush`,
      );
      return;
    }
  }
}
