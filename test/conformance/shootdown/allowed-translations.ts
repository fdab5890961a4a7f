import {
  ALL_SPACES,
  FLUSH_LIST,
  FLUSH_SPACE,
  INVLPG,
  INVPCID,
  LOWER,
  MOV_CR3,
  MOVE,
  type Observed,
  PAGES,
  RAISE,
  SPACES,
  type Step,
  SWITCH,
  UNMAP,
  WRITE,
} from "./step.ts";

/** What a page's entry says: nothing, or one of two frames with or without the right to write. */
export const ABSENT = 0;
export const FIRST_WRITABLE = 1;
export const FIRST_READ_ONLY = 2;
export const SECOND_WRITABLE = 3;
export const SECOND_READ_ONLY = 4;

/** What an access can come to. */
export const REFUSED = 0;
const FRAME_OF = [REFUSED, 1, 1, 2, 2];
const IS_WRITABLE = [false, true, false, true, false];
const PLACES = SPACES * PAGES;

export const isWritable = (value: number) => IS_WRITABLE[value]!;

/** The entry's value after an edit of it. A page that is gone comes back, moved to its first frame. */
export function edited(value: number, does: number): number {
  if (does === UNMAP) return ABSENT;
  if (does === MOVE) return value === ABSENT ? FIRST_WRITABLE : value <= FIRST_READ_ONLY ? value + 2 : value - 2;
  if (does === LOWER) return IS_WRITABLE[value] ? value + 1 : value;
  return does === RAISE && value !== ABSENT && !IS_WRITABLE[value] ? value - 1 : value;
}

/**
 * What the architecture allows, and nothing of how it is done (systems.md 1.3 and 1.4/20 to 27, paging.md A2 rules 13 to 16). For each
 * processor, space and page: the values that its entry has had since the last flush that covered the three. An access may
 * come to what any of them gives; it may be refused only by the value of now, because what is not there is not remembered, and a
 * fault forgets what was remembered of its page.
 */
export class AllowedTranslations {
  readonly #values = new Uint8Array(PLACES);
  /** A bit for each value that is allowed. */
  readonly #allowed: Uint8Array;
  readonly #spaces: Uint8Array;
  readonly #processors: number;
  readonly #identifiers: boolean;

  /** @param identifiers CR4.PCIDE: MOV CR3 flushes the space that is loaded, and no other */
  constructor(processors: number, identifiers: boolean) {
    this.#processors = processors;
    this.#identifiers = identifiers;
    this.#allowed = new Uint8Array(processors * PLACES);
    this.#spaces = new Uint8Array(processors);
    this.reset();
  }

  /** Everything is mapped to its first frame, writable, and nothing is remembered; all are in the first space. */
  reset(): void {
    this.#values.fill(FIRST_WRITABLE);
    this.#allowed.fill(1 << FIRST_WRITABLE);
    this.#spaces.fill(0);
  }

  /** Any step but an access. */
  take(step: Step): void {
    const { does, processor, space, page } = step;
    if (does === MOV_CR3) {
      this.#spaces[processor] = space;
      this.#flush(1 << processor, this.#identifiers ? space : ALL_SPACES, 0, PAGES);
    } else if (does === SWITCH) this.#spaces[processor] = space;
    else if (does === INVLPG) this.#flush(1 << processor, this.#spaces[processor]!, page, 1);
    else if (does === INVPCID) this.#flush(1 << processor, space, 0, PAGES);
    else if (does === FLUSH_SPACE) this.#flush(step.mask, space, 0, PAGES);
    else if (does === FLUSH_LIST) this.#flush(step.mask, space, page, step.pages);
    else this.#edit(space * PAGES + page, does);
  }

  /** Whether an access may come to this: REFUSED, or the number of a frame. */
  allows({ does, processor, page }: Step, outcome: number): boolean {
    const place = this.#spaces[processor]! * PAGES + page;
    const write = does === WRITE;
    const now = this.#values[place]!;
    if (outcome === REFUSED) {
      if (outcomeOf(now, write) !== REFUSED) return false;
      this.#allowed[processor * PLACES + place] = 1 << now;
      return true;
    }
    for (let left = this.#allowed[processor * PLACES + place]!; left !== 0; left &= left - 1)
      if (outcomeOf(31 - Math.clz32(left & -left), write) === outcome) return true;
    return false;
  }

  /** The entry's value of now. */
  value(space: number, page: number): number {
    return this.#values[space * PAGES + page]!;
  }

  /** A bit for each value that is allowed. */
  allowed({ processor, space, page }: Observed): number {
    return this.#allowed[processor * PLACES + space * PAGES + page]!;
  }

  #edit(place: number, does: number): void {
    const value = edited(this.#values[place]!, does);
    this.#values[place] = value;
    for (let processor = 0; processor < this.#processors; processor++)
      this.#allowed[processor * PLACES + place]! |= 1 << value;
  }

  #flush(mask: number, space: number, page: number, pages: number): void {
    for (let processor = 0; processor < this.#processors; processor++)
      if (((mask >> processor) & 1) === 1)
        for (let place = 0; place < PLACES; place++) {
          const isOfSpace = space === ALL_SPACES || Math.floor(place / PAGES) === space;
          const isOfPages = place % PAGES >= page && place % PAGES < page + pages;
          if (isOfSpace && isOfPages) this.#allowed[processor * PLACES + place] = 1 << this.#values[place]!;
        }
  }
}

function outcomeOf(value: number, write: boolean): number {
  return write && !IS_WRITABLE[value] ? REFUSED : FRAME_OF[value]!;
}
