import { addressableSlots, rowSlots, type SolidStateParameters, stripeSlots, superblockSlots } from "./parameters.ts";

const NOWHERE = -1;
/** States of a superblock. */
const FREE = 0;
const OPEN = 1;
const FULL = 2;

/**
 * Where slots lie on the flash: page mapping with a log. What is written goes to the end of the open superblock; when few are
 * left, the one with the least valid data is emptied (greedy), a row at a time while others write what that will free, and erased.
 */
export class Mapping {
  readonly slots: number;
  readonly #perBlock: number;
  readonly #perRow: number;
  readonly #perStripe: number;
  readonly #keptFree: number;
  readonly #place: Int32Array;
  readonly #owner: Int32Array;
  readonly #valid: Int32Array;
  readonly #state: Uint8Array;
  readonly #free: number[] = [];
  #open: number;
  #at = 0;
  /** The superblock being emptied, the place up to which it is, and what has been written to the log in between. */
  #victim = NOWHERE;
  #emptiedTo = 0;
  #writtenSince = 0;
  /** What may be written for each row that is emptied. */
  #pace = 0;
  #refreshedTo = 0;
  /** Slots written for hosts, and to move what was valid. */
  written = 0;
  moved = 0;
  erased = 0;

  constructor(device: SolidStateParameters) {
    this.slots = addressableSlots(device);
    this.#perBlock = superblockSlots(device);
    this.#perRow = rowSlots(device);
    this.#perStripe = stripeSlots(device);
    this.#keptFree = device.freeBlocks;
    this.#place = new Int32Array(this.slots).fill(NOWHERE);
    this.#owner = new Int32Array(device.blocksPerPlane * this.#perBlock).fill(NOWHERE);
    this.#valid = new Int32Array(device.blocksPerPlane);
    this.#state = new Uint8Array(device.blocksPerPlane);
    for (let block = device.blocksPerPlane - 1; block >= 0; block--) this.#free.push(block);
    this.#open = this.#take();
  }

  /** The place of a slot on the flash, counted in slots; -1: nothing was written to it. */
  placeOf(slot: number): number {
    return this.#place[slot]!;
  }

  /** Bytes programmed for each byte that hosts wrote. */
  get amplification(): number {
    return this.written === 0 ? 1 : (this.written + this.moved) / this.written;
  }

  /**
   * Writes a slot to the end of the log; returns its place. `onMove` hears of every slot that had to be moved first, with
   * its old and new place, and `onErase` of every superblock erased.
   */
  write(slot: number, onMove: (from: number, to: number) => void, onErase: (block: number) => void): number {
    this.#collect(onMove, onErase);
    this.written++;
    return this.#append(slot);
  }

  /** Writes the next stripe of all that are full anew, before reading has worn it; heard of as in `write`. */
  refresh(onMove: (from: number, to: number) => void, onErase: (block: number) => void): void {
    const places = this.#owner.length;
    for (let skipped = 0; this.#state[Math.floor(this.#refreshedTo / this.#perBlock)] !== FULL; skipped++) {
      if (skipped === this.#state.length) return;
      this.#refreshedTo = ((Math.floor(this.#refreshedTo / this.#perBlock) + 1) * this.#perBlock) % places;
    }
    const from = this.#refreshedTo;
    this.#refreshedTo = (from + this.#perStripe) % places;
    for (let place = from; place < from + this.#perStripe; place++) {
      this.#collect(onMove, onErase);
      this.#move(place, onMove);
    }
  }

  /** Fills all slots in order, as a device is that was written once from front to back. Costs nothing. */
  fill(): void {
    for (let slot = 0; slot < this.slots; slot++) this.#append(slot);
  }

  #append(slot: number): number {
    if (this.#at === this.#perBlock) {
      this.#state[this.#open] = FULL;
      this.#open = this.#take();
      this.#at = 0;
    }
    const old = this.#place[slot]!;
    if (old !== NOWHERE) {
      this.#owner[old] = NOWHERE;
      const block = Math.floor(old / this.#perBlock);
      this.#valid[block] = this.#valid[block]! - 1;
    }
    const place = this.#open * this.#perBlock + this.#at++;
    this.#place[slot] = place;
    this.#owner[place] = slot;
    this.#valid[this.#open] = this.#valid[this.#open]! + 1;
    return place;
  }

  /** Empties as many rows as are due before one more slot is written to the log. */
  #collect(onMove: (from: number, to: number) => void, onErase: (block: number) => void): void {
    if (this.#victim === NOWHERE) {
      if (this.#free.length >= this.#keptFree) return;
      this.#choose();
    }
    const from = this.#victim * this.#perBlock;
    while (this.#emptiedTo < this.#perBlock && this.#writtenSince >= (this.#emptiedTo / this.#perRow) * this.#pace) {
      const end = this.#emptiedTo + this.#perRow;
      for (; this.#emptiedTo < end; this.#emptiedTo++) this.#move(from + this.#emptiedTo, onMove);
    }
    this.#writtenSince++;
    if (this.#emptiedTo < this.#perBlock) return;
    this.#state[this.#victim] = FREE;
    this.#free.push(this.#victim);
    this.erased++;
    onErase(this.#victim);
    this.#victim = NOWHERE;
  }

  #choose(): void {
    let least = Number.POSITIVE_INFINITY;
    for (let block = 0; block < this.#valid.length; block++) {
      if (this.#state[block] !== FULL || this.#valid[block]! >= least) continue;
      least = this.#valid[block]!;
      this.#victim = block;
    }
    this.#emptiedTo = 0;
    this.#writtenSince = 0;
    this.#pace = ((this.#perBlock - least) * this.#perRow) / this.#perBlock;
  }

  #move(place: number, onMove: (from: number, to: number) => void): void {
    const slot = this.#owner[place]!;
    if (slot === NOWHERE) return;
    this.moved++;
    onMove(place, this.#append(slot));
  }

  #take(): number {
    const block = this.#free.pop()!;
    this.#state[block] = OPEN;
    return block;
  }
}
