/** Writes to single table entries that are remembered, the newest. */
const REMEMBERED = 4096;
const ENTRY_SHIFT = 3;
const FRAME_SHIFT = 12;

/**
 * When guest page tables were written, for whoever asks later whether a cached translation may still stand: a serial number
 * for each write to a host frame that holds a table some shadow page was made of. Flushes have numbers of the same row, so
 * "written since" is one comparison.
 *
 * A processor's write to such a frame comes by here because no TLB may hold the frame; the host's own hand and devices
 * come by because they ask for every frame. What nobody sees is a write through a `view` of a page.
 */
export class TableWrites {
  /** Serial number of the last flush, or write to a table, of any partition. */
  now = 1;
  /** By host frame: whether it has ever held a table that is shadowed. */
  readonly watched: Uint8Array;
  /** By host frame: whether its bytes were handed out to be written unseen. */
  readonly handedOut: Uint8Array;
  /** By host frame, serial numbers: of the last write that may have changed any entry, and of the last to a single one. */
  readonly whole: Float64Array;
  readonly single: Float64Array;
  readonly #entries = new Uint32Array(REMEMBERED);
  readonly #serials = new Float64Array(REMEMBERED);
  #written = 0;

  /** @param hostFrames frames of the machine */
  constructor(hostFrames: number) {
    this.watched = new Uint8Array(hostFrames);
    this.handedOut = new Uint8Array(hostFrames);
    this.whole = new Float64Array(hostFrames);
    this.single = new Float64Array(hostFrames);
  }

  /** The serial number of a flush that begins now. */
  tick(): number {
    return ++this.now;
  }

  /** From now on writes to a frame are noted. One that was a table before may have been written unseen in between. */
  watch(hostFrame: number): void {
    this.wroteFrame(hostFrame);
    this.watched[hostFrame] = 1;
  }

  /** At most 8 bytes were written at a host address, or are about to be. */
  wrote(hostAddress: number): void {
    const frame = hostAddress >>> FRAME_SHIFT;
    if (this.watched[frame] === 1) this.#note(frame, hostAddress >>> ENTRY_SHIFT, (hostAddress & 7) !== 0);
  }

  /** Any bytes of a host frame were written, or are about to be. */
  wroteFrame(hostFrame: number): void {
    if (this.watched[hostFrame] === 1) this.whole[hostFrame] = ++this.now;
  }

  /** Serial number up to which single writes may be forgotten: of an entry that is not remembered the last is not above it. */
  get forgottenUpTo(): number {
    return this.#written < REMEMBERED ? 0 : this.#serials[this.#written % REMEMBERED]!;
  }

  /** Single writes that are remembered, oldest first: host address in units of 8 bytes, and serial number. */
  *[Symbol.iterator](): Generator<{ readonly entry: number; readonly serial: number }> {
    for (let number = Math.max(0, this.#written - REMEMBERED); number < this.#written; number++)
      yield { entry: this.#entries[number % REMEMBERED]!, serial: this.#serials[number % REMEMBERED]! };
  }

  #note(frame: number, entry: number, unaligned: boolean): void {
    this.now++;
    // One that may reach into the next entry is as good as one of any bytes.
    if (unaligned) this.whole[frame] = this.now;
    this.single[frame] = this.now;
    const at = this.#written % REMEMBERED;
    this.#entries[at] = entry;
    this.#serials[at] = this.now;
    this.#written++;
  }
}
