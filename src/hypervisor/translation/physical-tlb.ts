/** All combinations of `ACCESS_…` bits: each has slots of its own, so what lies in a slot is permitted. */
const KINDS = 32;
const KIND = KINDS - 1;
const SMALL_BITS = 20;
const LARGE_BITS = 11;
const SPACE = 0xfff;
const IN_SMALL = 0xfff;
const IN_LARGE = 0x1f_ffff;
const PAGES_IN_LARGE_BITS = 9;

/** Slots that were filled are remembered by chunks of this many, so that clearing costs what was used. */
const CHUNK_BITS = 10;
/** Tags are 1 to MOST_TAGS; 0 is of slots that are empty, and no slot ever has NO_TAG. */
const MOST_TAGS = SPACE - 1;
const NO_TAG = SPACE;

/** Windows whose tags an engine knows at once; three words each: address space, upper half of the address, tag. */
const WINDOWS = 64;
const WINDOW_WORDS = 3;

// The logical processor that executes every virtual one has one TLB: two arrays of this file, which V8 addresses directly.
// A slot is a host frame in its upper 20 bits and a tag in its lower 12. Where it lies says the access and the lower half of
// the page's address, the tag the rest: whose it is, which address space's, and the upper half of the address. The arrays are
// large and hardly touched: the operating system gives memory to what is used.
const SMALL = new Int32Array(KINDS << SMALL_BITS);
const LARGE = new Int32Array(KINDS << LARGE_BITS);
const filledChunks = new Uint8Array((KINDS << SMALL_BITS) >>> CHUNK_BITS);
/** By 2 MiB of the lower half: whether pieces of a large guest page lie in the small slots. */
const pieces = new Uint8Array(1 << LARGE_BITS);
let gigabytePieces = false;

/** Kinds of access that were ever remembered. */
let kindsUsed = 0;
let lastTag = 0;
let enginesMade = 0;
const engines = new Set<WeakRef<CachingEngine>>();
const collected = new FinalizationRegistry<WeakRef<CachingEngine>>((engine) => engines.delete(engine));

/** A name that translations of one processor lie under, as long as it is not flushed. */
export interface TlbContext {
  readonly number: number;
  /** The guest's CR3; 0 of global pages. */
  readonly tag: number;
  /** -1 of global pages. */
  readonly pcid: number;
  /** Levels * 512 + role of the topmost table; -1 where the processor's control registers tell. */
  readonly control: number;
  /** Serial number of the last flush or table write when the name was given. */
  readonly bornAt: number;
  /** Serial number of a flush that everything under the name is younger than. */
  readonly since: number;
}

/** @param space the context's number. @param low of the page. @param address of the host. */
export type SlotVisitor = (
  space: number,
  high: number,
  low: number,
  access: number,
  address: number,
  large: boolean,
) => void;

/** Empties the TLB, and tags begin anew. A machine that starts does it, so that the same machine always does the same. */
export function emptyPhysicalTlb(): void {
  for (let chunk = 0; chunk < filledChunks.length; chunk++) {
    if (filledChunks[chunk] === 0) continue;
    SMALL.fill(0, chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS);
    filledChunks[chunk] = 0;
  }
  LARGE.fill(0);
  pieces.fill(0);
  gigabytePieces = false;
  kindsUsed = 0;
  lastTag = 0;
  enginesMade = 0;
  for (const engine of engines) engine.deref()?.forgetTags();
}

/**
 * What engines that remember translations have in common: this processor's share of the physical TLB.
 *
 * A hit is one comparison (paging.md A4). What lies in a slot is permitted, because each kind of access has slots of its own;
 * that it is this processor's, of the address space that is active and of this address, the tag says. Pages of 2 MiB that the
 * host can map large have slots of their own, and so has the upper half of an address: 4 GiB of an address space are a
 * window, and have a tag. Accesses ask for the window and the tag that hit last; `#other` finds the others.
 */
export abstract class CachingEngine {
  /** The tag that hit last and the upper half of its addresses; NO_TAG where every access has to come by. */
  #wanted = NO_TAG;
  #window = 0;
  /** Numbers of the address space that is active, and of what belongs to all of them. */
  #space = 0;
  #global = 0;
  #mayHit = true;
  readonly #windows = new Int32Array(WINDOWS * WINDOW_WORDS);
  /** Tags of the active space and of what belongs to all, found last for this upper half; 0 where there is none. */
  #tagsFor = 0;
  #tagsKnown = false;
  #spaceTag = 0;
  #globalTag = 0;
  /** Turns page numbers so that processors which use the same addresses do not displace each other. */
  readonly #turn = reversed(enginesMade++);

  constructor() {
    const reference = new WeakRef<CachingEngine>(this);
    engines.add(reference);
    collected.register(this, reference);
  }

  /** See `TranslationEngine`. */
  hit(high: number, low: number, access: number): number {
    const slot = SMALL[((access & KIND) << SMALL_BITS) | ((low >>> 12) ^ this.#turn)]! ^ this.#wanted;
    // Without a branch, for the caller has one anyway: all ones where the window is another.
    const otherWindow = high ^ this.#window;
    return slot | ((otherWindow | (0 - otherWindow)) >> 31);
  }

  /** See `TranslationEngine`. */
  translate(high: number, low: number, access: number): number {
    const page = this.hit(high, low, access);
    return (page & IN_SMALL) !== 0 ? this.#other(high, low, access) : (page | (low & IN_SMALL)) >>> 0;
  }

  /** See `TranslationEngine`. */
  translateRun(
    high: number,
    lows: Int32Array,
    from: number,
    count: number,
    access: number,
    addresses: Int32Array,
  ): number {
    const kind = access & KIND;
    const small = (kind << SMALL_BITS) | this.#turn;
    const large = (kind << LARGE_BITS) | (this.#turn >>> PAGES_IN_LARGE_BITS);
    let done = 0;
    while (done < count) {
      if (high === this.#window) {
        const begun = done;
        done = largeHits(lows, from, done, count, large, this.#wanted, addresses);
        done = smallHits(lows, from, done, count, small, this.#wanted, addresses);
        if (done !== begun) continue;
      }
      const address = this.translate(high, lows[from + done]!, access);
      if (address < 0) break;
      addresses[done++] = address;
    }
    return done;
  }

  /** Forgets which tags it has: they belong to others now. */
  forgetTags(): void {
    this.#windows.fill(0);
    this.#tagsKnown = false;
    this.#wanted = NO_TAG;
  }

  /** The names that this engine's translations lie under. */
  abstract contexts(): readonly TlbContext[];

  /** Goes over all that is remembered here and has a tag that is still known. */
  eachSlot(visit: SlotVisitor): void {
    const windows = this.#windows;
    const windowOf = new Int32Array(SPACE + 1).fill(-1);
    for (let at = 0; at < windows.length; at += WINDOW_WORDS)
      if (windows[at + 2] !== 0) windowOf[windows[at + 2]!] = at;
    const show = (slot: number, place: number, bits: number, large: boolean) => {
      const at = windowOf[slot & SPACE]!;
      if (at < 0) return;
      const shift = 32 - bits;
      const page = (place & ((1 << bits) - 1)) ^ (this.#turn >>> (SMALL_BITS - bits));
      visit(windows[at]!, windows[at + 1]!, (page << shift) | 0, place >>> bits, (slot & ~SPACE) >>> 0, large);
    };
    for (let chunk = 0; chunk < filledChunks.length; chunk++) {
      if (filledChunks[chunk] === 0) continue;
      for (let place = chunk << CHUNK_BITS; place < (chunk + 1) << CHUNK_BITS; place++)
        if (SMALL[place] !== 0) show(SMALL[place]!, place, SMALL_BITS, false);
    }
    for (let place = 0; place < LARGE.length; place++)
      if (LARGE[place] !== 0) show(LARGE[place]!, place, LARGE_BITS, true);
  }

  /** The host frame that the active address space's accesses of this kind would find for a page of 4 KiB; null where they would miss. */
  keptAt(high: number, low: number, access: number): number | null {
    this.#findTags(high | 0);
    const slot = SMALL[((access & KIND) << SMALL_BITS) | ((low >>> 12) ^ this.#turn)]!;
    const tag = slot & SPACE;
    return tag !== 0 && (tag === this.#spaceTag || tag === this.#globalTag) ? slot >>> 12 : null;
  }

  /** Whether anything lies where a page of 4 KiB, or the large page around it, would, in whichever address space. */
  keeps(low: number): boolean {
    for (let kind = 0; kind < KINDS; kind++) {
      if (SMALL[(kind << SMALL_BITS) | ((low >>> 12) ^ this.#turn)] !== 0) return true;
      if (LARGE[(kind << LARGE_BITS) | ((low >>> 21) ^ (this.#turn >>> PAGES_IN_LARGE_BITS))] !== 0) return true;
    }
    return false;
  }

  /** An access that finds nothing where it looks at first comes by here: the last moment to forget what is not to be used. */
  protected abstract catchUp(): void;

  /** Translates an access whose page is not here. */
  protected abstract miss(high: number, low: number, access: number): number;

  /**
   * Makes an address space active.
   * @param space a number above 0 that this engine has not used for another one
   * @param global of what belongs to all spaces; the same number where there is no such thing
   */
  protected useSpace(space: number, global: number): void {
    this.#tagsKnown = false;
    this.#space = space;
    this.#global = global;
    this.#wanted = NO_TAG;
  }

  /** From the next access on, `catchUp` is asked before anything is used. */
  protected stopHits(): void {
    this.#wanted = NO_TAG;
  }

  /** Whether accesses may hit without coming by. */
  protected letHit(mayHit: boolean): void {
    this.#mayHit = mayHit;
    this.#wanted = NO_TAG;
  }

  /** Remembers a translation for accesses of this kind. @param address of the host, in the page of 4 KiB */
  protected rememberSmall(high: number, low: number, access: number, address: number, global: boolean): void {
    this.#put(access & KIND, low, address, this.#tagFor(high, global));
  }

  /** The same for 2 MiB that are large in the guest and in the host. */
  protected rememberLarge(high: number, low: number, access: number, address: number, global: boolean): void {
    const tag = this.#tagFor(high, global);
    const kind = access & KIND;
    const place = (kind << LARGE_BITS) | ((low >>> 21) ^ (this.#turn >>> PAGES_IN_LARGE_BITS));
    kindsUsed |= 1 << kind;
    LARGE[place] = (address & ~IN_LARGE) | tag;
  }

  /** What was remembered at this address is a piece of a larger guest page: to flush one is to flush all of them. */
  protected markPiece(low: number, gigabyte: boolean): void {
    pieces[(low >>> 21) ^ (this.#turn >>> PAGES_IN_LARGE_BITS)] = 1;
    if (gigabyte) gigabytePieces = true;
  }

  /** Drops an address in every address space: more than has to go where it is not global, and never less. */
  protected dropAddress(low: number): void {
    if (gigabytePieces) {
      emptyPhysicalTlb();
      return;
    }
    const turn = this.#turn;
    const region = (low >>> 21) ^ (turn >>> PAGES_IN_LARGE_BITS);
    const whole = pieces[region] === 1;
    const page = (low >>> 12) ^ turn;
    for (let left = kindsUsed; left !== 0; left &= left - 1) {
      const kind = 31 - Math.clz32(left & -left);
      LARGE[(kind << LARGE_BITS) | region] = 0;
      if (!whole) SMALL[(kind << SMALL_BITS) | page] = 0;
      else {
        const first = (kind << SMALL_BITS) | (region << PAGES_IN_LARGE_BITS);
        SMALL.fill(0, first, first + (1 << PAGES_IN_LARGE_BITS));
      }
    }
    pieces[region] = 0;
  }

  /** Neither the window that hit last nor, at once, the slots of 4 KiB. */
  #other(upper: number, low: number, access: number): number {
    const high = upper | 0;
    this.catchUp();
    const kind = access & KIND;
    const small = SMALL[(kind << SMALL_BITS) | ((low >>> 12) ^ this.#turn)]!;
    const large = LARGE[(kind << LARGE_BITS) | ((low >>> 21) ^ (this.#turn >>> PAGES_IN_LARGE_BITS))]!;
    this.#findTags(high);
    const smallTag = small & SPACE;
    if (smallTag !== 0 && (smallTag === this.#spaceTag || smallTag === this.#globalTag)) {
      this.#askFirst(smallTag, high);
      return ((small & ~IN_SMALL) | (low & IN_SMALL)) >>> 0;
    }
    const largeTag = large & SPACE;
    if (largeTag !== 0 && (largeTag === this.#spaceTag || largeTag === this.#globalTag)) {
      this.#askFirst(largeTag, high);
      const address = (large & ~SPACE) | (low & IN_LARGE);
      // The next access to this piece is to find it at once.
      this.#put(kind, low, address, largeTag);
      this.markPiece(low, false);
      return address >>> 0;
    }
    return this.miss(high, low, access);
  }

  #put(kind: number, low: number, address: number, tag: number): void {
    const place = (kind << SMALL_BITS) | ((low >>> 12) ^ this.#turn);
    kindsUsed |= 1 << kind;
    SMALL[place] = (address & ~IN_SMALL) | tag;
    filledChunks[place >>> CHUNK_BITS] = 1;
  }

  #askFirst(tag: number, high: number): void {
    if (!this.#mayHit) return;
    this.#wanted = tag;
    this.#window = high;
  }

  /** The tag of a window of a space; 0 when it has none. */
  #tagOf(space: number, high: number): number {
    const windows = this.#windows;
    const at = windowPlace(space, high);
    return windows[at] === space && windows[at + 1] === high ? windows[at + 2]! : 0;
  }

  #findTags(high: number): void {
    if (this.#tagsKnown && this.#tagsFor === high) return;
    this.#tagsKnown = true;
    this.#tagsFor = high;
    this.#spaceTag = this.#tagOf(this.#space, high);
    this.#globalTag = this.#tagOf(this.#global, high);
  }

  /** The tag that what is remembered now gets: a new one where there is none. */
  #tagFor(high: number, global: boolean): number {
    this.#findTags(high);
    const known = global ? this.#globalTag : this.#spaceTag;
    if (known !== 0) return known;
    if (lastTag === MOST_TAGS) emptyPhysicalTlb();
    const space = global ? this.#global : this.#space;
    const windows = this.#windows;
    const at = windowPlace(space, high);
    windows[at] = space;
    windows[at + 1] = high;
    windows[at + 2] = ++lastTag;
    this.#tagsKnown = false;
    return lastTag;
  }
}

// The inner loops of a run, functions of their own: V8 keeps parameters in registers, and fields not.

function smallHits(
  lows: Int32Array,
  from: number,
  begin: number,
  count: number,
  place: number,
  wanted: number,
  addresses: Int32Array,
): number {
  for (let index = begin | 0; index < count; index = (index + 1) | 0) {
    const low = lows[(from + index) | 0]!;
    const slot = SMALL[(low >>> 12) ^ place]! ^ wanted;
    if ((slot & SPACE) !== 0) return index;
    addresses[index] = slot | (low & IN_SMALL);
  }
  return count;
}

function largeHits(
  lows: Int32Array,
  from: number,
  begin: number,
  count: number,
  place: number,
  wanted: number,
  addresses: Int32Array,
): number {
  for (let index = begin | 0; index < count; index = (index + 1) | 0) {
    const low = lows[(from + index) | 0]!;
    const slot = LARGE[(low >>> 21) ^ place]! ^ wanted;
    if ((slot & SPACE) !== 0) return index;
    addresses[index] = slot | (low & IN_LARGE);
  }
  return count;
}

function windowPlace(space: number, high: number): number {
  return ((high ^ (high >>> 6) ^ (space * 5)) & (WINDOWS - 1)) * WINDOW_WORDS;
}

/** The bits of a page's number the other way round: engines with numbers near each other come to lie far apart. */
function reversed(number: number): number {
  let turned = 0;
  for (let bit = 0; bit < SMALL_BITS; bit++) turned |= ((number >>> bit) & 1) << (SMALL_BITS - 1 - bit);
  return turned;
}
