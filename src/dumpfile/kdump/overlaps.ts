import { ExtentTable, lastAtOrBelow } from "../extents.ts";

/**
 * Ascending, disjoint extents of what a file holds after all these pieces were written in their order: where two
 * overlap the later one stays. O(n log n): from the last piece to the first, each takes the stretches between
 * boundaries that are still free.
 */
export function paintOver(pieces: ExtentTable): ExtentTable {
  if (!overlap(pieces)) return pieces.sorted();
  const boundaries = new Float64Array(pieces.count * 2);
  for (let index = 0; index < pieces.count; index++) {
    boundaries[index * 2] = pieces.start(index);
    boundaries[index * 2 + 1] = pieces.end(index);
  }
  boundaries.sort();
  const stretches = boundaries.length - 1;
  const owner = new Int32Array(stretches).fill(-1);
  // nextFree[s] leads, with its path shortened on the way, to the first stretch from s on that has no owner yet.
  const nextFree = Uint32Array.from({ length: stretches + 1 }, (_, index) => index);
  const free = (stretch: number) => {
    let at = stretch;
    while (nextFree[at] !== at) {
      nextFree[at] = nextFree[nextFree[at]!]!;
      at = nextFree[at]!;
    }
    return at;
  };
  for (let index = pieces.count - 1; index >= 0; index--) {
    const first = lastAtOrBelow(boundaries, boundaries.length, pieces.start(index));
    for (let at = free(first); at < stretches && boundaries[at]! < pieces.end(index); at = free(at)) {
      owner[at] = index;
      nextFree[at] = at + 1;
    }
  }
  const result = new ExtentTable();
  for (let at = 0; at < stretches; at++) {
    const index = owner[at]!;
    const start = boundaries[at]!;
    if (index >= 0 && start < boundaries[at + 1]!)
      result.add(start, boundaries[at + 1]!, pieces.offset(index) + (start - pieces.start(index)));
  }
  return result;
}

function overlap(pieces: ExtentTable): boolean {
  const order = Uint32Array.from({ length: pieces.count }, (_, index) => index);
  order.sort((a, b) => pieces.start(a) - pieces.start(b));
  return order.some((piece, index) => index > 0 && pieces.start(piece) < pieces.end(order[index - 1]!));
}
