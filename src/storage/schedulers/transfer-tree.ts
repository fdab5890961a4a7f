import type { Neighbour } from "./neighbour.ts";

/**
 * Transfers in order of sectors from left to right, and of age from the top down: below each are none but younger ones (a priority
 * search tree, McCreight 1985). Whoever looks for what is near or old leaves out whole branches that are neither.
 */
export class TransferTree {
  top: Neighbour | null = null;

  /** The last that begins at a sector or before it. */
  before(sector: number): Neighbour | null {
    let found: Neighbour | null = null;
    for (let at = this.top; at !== null; ) {
      if (at.sector <= sector) {
        found = at;
        at = at.right;
      } else at = at.left;
    }
    return found;
  }

  add(transfer: Neighbour): void {
    const { sector, oldest } = transfer;
    let above: Neighbour | null = null;
    let isLeft = false;
    let at = this.top;
    while (at !== null && at.oldest <= oldest) {
      above = at;
      isLeft = sector < at.sector;
      at = isLeft ? at.left : at.right;
    }
    this.#hang(transfer, above, isLeft);
    // What is younger, and was there, comes below it on its two sides.
    let low = transfer;
    let high = transfer;
    while (at !== null) {
      if (sector < at.sector) {
        this.#hang(at, high, high !== transfer);
        high = at;
        at = at.left;
      } else {
        this.#hang(at, low, low === transfer);
        low = at;
        at = at.right;
      }
    }
    if (low !== transfer) low.right = null;
    if (high !== transfer) high.left = null;
  }

  remove(transfer: Neighbour): void {
    let { left, right, above } = transfer;
    let isLeft = above !== null && above.left === transfer;
    // Of what is below it on its two sides, the older comes up.
    while (left !== null && right !== null) {
      if (left.oldest <= right.oldest) {
        this.#hang(left, above, isLeft);
        above = left;
        isLeft = false;
        left = left.right;
      } else {
        this.#hang(right, above, isLeft);
        above = right;
        isLeft = true;
        right = right.left;
      }
    }
    this.#hang(left ?? right, above, isLeft);
    transfer.above = null;
    transfer.left = null;
    transfer.right = null;
  }

  #hang(transfer: Neighbour | null, above: Neighbour | null, isLeft: boolean): void {
    if (above === null) this.top = transfer;
    else if (isLeft) above.left = transfer;
    else above.right = transfer;
    if (transfer !== null) transfer.above = above;
  }
}
