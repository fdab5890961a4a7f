import { ENTRY_ACCESSED, ENTRY_DIRTY } from "../../../paging/index.ts";
import { type GuestFrames, HOLE, MAP_FRAME } from "../../frame-map.ts";
import {
  GUEST_FLAGS,
  GUEST_HIGH,
  GUEST_LOW,
  PENDING,
  PENDING_ACCESSED,
  PENDING_DIRTY,
  QUEUED,
  STATE,
  WORDS,
} from "./entry.ts";
import type { ShadowPool } from "./pool.ts";

/**
 * Accessed and dirty flags that stand in shadow entries and not in the guest's tables yet: which entries have some, and
 * which guest table frames are out of date because of it. They are written all at once: the guest looks seldom.
 */
export class LazyFlags {
  /** Words of guest tables that were changed: to have few of them is what the laziness is for. */
  writes = 0;
  readonly #pool: ShadowPool;
  readonly #frames: GuestFrames;
  readonly #queue: number[] = [];
  /** Per guest frame, whether flags of a table in it are missing there. */
  readonly #behind: Uint8Array;

  constructor(pool: ShadowPool, frames: GuestFrames) {
    this.#pool = pool;
    this.#frames = frames;
    this.#behind = new Uint8Array(frames.map.length);
  }

  /** Whether a guest frame holds a table whose flags are not all written. */
  isBehind(guestFrame: number): boolean {
    return this.#behind[guestFrame] === 1;
  }

  /** Remembers flags (`PENDING_…` bits) of an entry. */
  set(entry: number, flags: number): void {
    const at = entry * WORDS + STATE;
    const { entries } = this.#pool;
    const state = entries[at]!;
    if ((state & QUEUED) === 0) {
      this.#queue.push(entry);
      this.#behind[this.#pool.guestEntry(entry) >>> 12] = 1;
    }
    entries[at] = state | flags | QUEUED;
  }

  /**
   * Writes all of them. An entry that the guest has changed since is left alone: a processor would have set the flags in the
   * old entry, which is gone.
   */
  writeBack(): void {
    if (this.#queue.length === 0) return;
    for (const entry of this.#queue) this.#writeOne(entry);
    this.#queue.length = 0;
  }

  #writeOne(entry: number): void {
    const { entries } = this.#pool;
    const at = entry * WORDS;
    const state = entries[at + STATE]!;
    entries[at + STATE] = state & ~(PENDING | QUEUED);
    const gpa = this.#pool.guestEntry(entry);
    this.#behind[gpa >>> 12] = 0;
    const { words, map } = this.#frames;
    const mapped = map[gpa >>> 12]!;
    if ((state & PENDING) === 0 || mapped === HOLE) return;
    const word = ((mapped & MAP_FRAME) | (gpa & 0xfff)) >>> 2;
    const low = words[word]!;
    if (((low ^ entries[at + GUEST_LOW]!) & ~GUEST_FLAGS) !== 0 || words[word + 1] !== entries[at + GUEST_HIGH]) return;
    const wanted =
      low | ((state & PENDING_ACCESSED) !== 0 ? ENTRY_ACCESSED : 0) | ((state & PENDING_DIRTY) !== 0 ? ENTRY_DIRTY : 0);
    if (wanted !== low) {
      words[word] = wanted;
      this.writes++;
    }
    entries[at + GUEST_LOW] = wanted;
  }
}
