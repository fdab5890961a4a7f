/**
 * What is wrong with a translation or with a count.
 * `stale-entry`: the guest's table says otherwise since before a flush that was carried out. `lost-flush`: a flush was asked for,
 * and what it should have taken stands. `wrong-frame`: it leads to a host frame that the guest's entry and the partition's map
 * do not give. `wrong-rights`: it allows what they do not. `broken-link`: shadow pages hang together wrongly. `reverse-map`: the
 * maps back do not agree with the entries. `reference-count`: a count of shadow pages is not what there is. `over-budget`: more
 * shadow pages than there may be. `count-underflow`: accesses to a shared page were counted down more often than they ended.
 * `leak`: they were not counted down. `use-after-unmap`: a device reaches a page that nobody counted. `exclusion`: DMA is allowed
 * where nothing is pending any more, or forbidden where something is moving. `slot`: the temporary range and what is mapped
 * there do not agree.
 */
export type CorruptionKind =
  | "stale-entry"
  | "lost-flush"
  | "wrong-frame"
  | "wrong-rights"
  | "broken-link"
  | "reverse-map"
  | "reference-count"
  | "over-budget"
  | "count-underflow"
  | "leak"
  | "use-after-unmap"
  | "exclusion"
  | "slot";

/** By the numbers that the stop code's first parameter has for them; 0 is none. */
export const CORRUPTION_KINDS: readonly CorruptionKind[] = [
  "stale-entry",
  "lost-flush",
  "wrong-frame",
  "wrong-rights",
  "broken-link",
  "reverse-map",
  "reference-count",
  "over-budget",
  "count-underflow",
  "leak",
  "use-after-unmap",
  "exclusion",
  "slot",
];

/** One contradiction. Addresses are `0x…`; null where there is none or it is not known. Plain data, fit for JSON. */
export interface Corruption {
  readonly kind: CorruptionKind;
  /** The partition's name; null where it is the machine's. */
  readonly partition: string | null;
  /** Whose TLB holds it. */
  readonly processor: number | null;
  /** The guest's CR3. */
  readonly addressSpace: string | null;
  readonly linearAddress: string | null;
  /** Of the page where it matters; of a link, of the guest's table entry. */
  readonly guestPhysicalAddress: string | null;
  readonly hostFrame: number | null;
  readonly expected: string;
  readonly found: string;
  /** One sentence. */
  readonly text: string;
}

/** What could not be judged, and why. */
export interface Unchecked {
  readonly reason: string;
  readonly count: number;
}

export interface AuditReport {
  readonly checked: {
    readonly partitions: number;
    readonly shadowPages: number;
    readonly shadowEntries: number;
    readonly tlbSlots: number;
    readonly flushes: number;
    readonly sharedPages: number;
    readonly transfers: number;
  };
  readonly unchecked: readonly Unchecked[];
  /** The worst first: translations, then counts. At most `MOST_CORRUPTIONS`. */
  readonly corruptions: readonly Corruption[];
  /** All that were found. */
  readonly found: number;
}

/** Corruptions that a report holds; beyond, they are only counted. */
export const MOST_CORRUPTIONS = 100;

type Place = Partial<Omit<Corruption, "kind" | "expected" | "found" | "text">>;

/** A report as it is being made. */
export class Findings {
  readonly checked = {
    partitions: 0,
    shadowPages: 0,
    shadowEntries: 0,
    tlbSlots: 0,
    flushes: 0,
    sharedPages: 0,
    transfers: 0,
  };
  readonly #unchecked = new Map<string, number>();
  readonly #corruptions: Corruption[] = [];
  #found = 0;

  corrupt(kind: CorruptionKind, place: Place, expected: string, found: string, text: string): void {
    this.#found++;
    if (this.#corruptions.length === MOST_CORRUPTIONS) return;
    const nowhere = {
      partition: null,
      processor: null,
      addressSpace: null,
      linearAddress: null,
      guestPhysicalAddress: null,
      hostFrame: null,
    };
    this.#corruptions.push({ kind, ...nowhere, ...place, expected, found, text });
  }

  skip(reason: string, count = 1): void {
    this.#unchecked.set(reason, (this.#unchecked.get(reason) ?? 0) + count);
  }

  report(): AuditReport {
    return {
      checked: this.checked,
      unchecked: [...this.#unchecked].map(([reason, count]) => ({ reason, count })),
      corruptions: this.#corruptions,
      found: this.#found,
    };
  }
}
