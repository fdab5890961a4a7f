/** Index of the last of the first `count` ascending values that is not above `value`; -1 where all are. */
export function lastAtOrBelow(ascending: Float64Array, count: number, value: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Growing table of pieces of an address space and where in a file each begins. */
export class ExtentTable {
  #starts = new Float64Array(64);
  #ends = new Float64Array(64);
  #offsets = new Float64Array(64);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  start = (index: number) => this.#starts[index]!;
  end = (index: number) => this.#ends[index]!;
  offset = (index: number) => this.#offsets[index]!;

  /** The piece that holds `address`, where the table is sorted; -1 when none does. */
  find(address: number): number {
    const index = lastAtOrBelow(this.#starts, this.#count, address);
    return index >= 0 && address < this.#ends[index]! ? index : -1;
  }

  /** The first piece of a sorted table that ends above `address`; `count` when there is none. */
  firstEndingAbove(address: number): number {
    const index = lastAtOrBelow(this.#starts, this.#count, address);
    return index >= 0 && address < this.#ends[index]! ? index : index + 1;
  }

  /** Adds a piece, or lengthens the last one when both the addresses and the file go on without a gap. */
  add(start: number, end: number, offset: number): void {
    const last = this.#count - 1;
    if (last >= 0 && this.#ends[last] === start && this.#offsets[last]! + (start - this.#starts[last]!) === offset) {
      this.#ends[last] = end;
      return;
    }
    if (this.#count === this.#starts.length) this.#grow();
    this.#starts[this.#count] = start;
    this.#ends[this.#count] = end;
    this.#offsets[this.#count] = offset;
    this.#count++;
  }

  /**
   * The same pieces in ascending order and without overlaps: of two that hold one address, the one that starts first
   * stays, and of two with one start the one added first.
   */
  sorted(): ExtentTable {
    const order = Uint32Array.from({ length: this.#count }, (_, index) => index);
    const ascending = order.every((index) => index === 0 || this.start(index - 1) <= this.start(index));
    if (!ascending) order.sort((a, b) => this.start(a) - this.start(b) || a - b);
    const result = new ExtentTable();
    let covered = 0;
    for (const index of order) {
      const start = Math.max(this.start(index), covered);
      const end = this.end(index);
      if (start >= end) continue;
      result.add(start, end, this.offset(index) + (start - this.start(index)));
      covered = end;
    }
    return result;
  }

  #grow(): void {
    const double = (old: Float64Array) => {
      const bigger = new Float64Array(old.length * 2);
      bigger.set(old);
      return bigger;
    };
    this.#starts = double(this.#starts);
    this.#ends = double(this.#ends);
    this.#offsets = double(this.#offsets);
  }
}
