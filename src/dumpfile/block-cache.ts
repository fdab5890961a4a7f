const WAYS = 4;

/**
 * A bounded cache of equally long blocks: four ways a set, the least recently used one gives way. Blocks are allocated at
 * their first use and used again from then on.
 * The number of sets is odd, because keys are often multiples of a page size.
 */
export class BlockCache {
  readonly #blockBytes: number;
  readonly #sets: number;
  readonly #blocks: (Uint8Array | undefined)[];
  readonly #keys: Float64Array;
  readonly #lastUse: Float64Array;
  #clock = 0;

  constructor(blockBytes: number, sets: number) {
    this.#blockBytes = blockBytes;
    this.#sets = sets | 1;
    this.#blocks = new Array(this.#sets * WAYS).fill(undefined);
    this.#keys = new Float64Array(this.#sets * WAYS).fill(-1);
    this.#lastUse = new Float64Array(this.#sets * WAYS);
  }

  /**
   * The block of a key (a non-negative integer), filled first when it is not here; what `fill` throws is passed on.
   * The bytes are a view into the cache, good until the next call.
   */
  get(key: number, fill: (target: Uint8Array, key: number) => void): Uint8Array {
    const first = (key % this.#sets) * WAYS;
    let slot = first;
    for (let way = first; way < first + WAYS; way++) {
      if (this.#keys[way] === key) {
        this.#lastUse[way] = ++this.#clock;
        return this.#block(way);
      }
      if (this.#lastUse[way]! < this.#lastUse[slot]!) slot = way;
    }
    const block = this.#block(slot);
    this.#keys[slot] = -1;
    fill(block, key);
    this.#keys[slot] = key;
    this.#lastUse[slot] = ++this.#clock;
    return block;
  }

  #block(slot: number): Uint8Array {
    const block = this.#blocks[slot] ?? new Uint8Array(this.#blockBytes);
    this.#blocks[slot] = block;
    return block;
  }
}
