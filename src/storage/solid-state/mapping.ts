import { addressableSlots, type SolidStateParameters, superblockSlots } from "./parameters.ts";

const NOWHERE = -1;

/**
 * Where slots lie on the flash: page mapping with a log. What is written goes to the end of the open superblock; when few are
 * left, the one with the least valid data is emptied (greedy) and erased.
 */
export class Mapping {
  readonly slots: number;
  readonly #perBlock: number;
  readonly #keptFree: number;
  readonly #place: Int32Array;
  readonly #owner: Int32Array;
  readonly #valid: Int32Array;
  /** 0 free, 1 open, 2 full. */
  readonly #state: Uint8Array;
  readonly #free: number[] = [];
  #open: number;
  #at = 0;
  /** Slots written for hosts, and to move what was valid. */
  written = 0;
  moved = 0;
  erased = 0;

  constructor(device: SolidStateParameters) {
    this.slots = addressableSlots(device);
    this.#perBlock = superblockSlots(device);
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
    while (this.#free.length < this.#keptFree) this.#clean(onMove, onErase);
    this.written++;
    return this.#append(slot);
  }

  /** Fills all slots in order, as a device is that was written once from front to back. Costs nothing. */
  fill(): void {
    for (let slot = 0; slot < this.slots; slot++) this.#append(slot);
  }

  #append(slot: number): number {
    if (this.#at === this.#perBlock) {
      this.#state[this.#open] = 2;
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

  #clean(onMove: (from: number, to: number) => void, onErase: (block: number) => void): void {
    let victim = NOWHERE;
    let least = Number.POSITIVE_INFINITY;
    for (let block = 0; block < this.#valid.length; block++) {
      if (this.#state[block] !== 2 || this.#valid[block]! >= least) continue;
      least = this.#valid[block]!;
      victim = block;
    }
    const from = victim * this.#perBlock;
    for (let place = from; place < from + this.#perBlock; place++) {
      const slot = this.#owner[place]!;
      if (slot === NOWHERE) continue;
      this.moved++;
      onMove(place, this.#append(slot));
    }
    this.#state[victim] = 0;
    this.#free.push(victim);
    this.erased++;
    onErase(victim);
  }

  #take(): number {
    const block = this.#free.pop()!;
    this.#state[block] = 1;
    return block;
  }
}
