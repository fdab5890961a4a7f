/** Every row has a column of its own, at the least cost. No cost is less than those of its row and its column together. */
export interface Assignment {
  /** Infinite where there is none. */
  readonly cost: number;
  readonly columnOf: Int32Array;
  readonly ofRows: Float64Array;
  readonly ofColumns: Float64Array;
}

/** The assignment problem by shortest augmenting paths with potentials. Costs lie row by row; what is infinite is forbidden. */
export function assign(costs: Float64Array, size: number): Assignment {
  const columnOf = new Int32Array(size).fill(-1);
  const rowOf = new Int32Array(size).fill(-1);
  const ofRows = new Float64Array(size);
  const ofColumns = new Float64Array(size);
  const distance = new Float64Array(size);
  const before = new Int32Array(size);
  const isReached = new Uint8Array(size);
  for (let row = 0; row < size; row++) {
    distance.fill(Number.POSITIVE_INFINITY);
    isReached.fill(0);
    let way = 0;
    let end = -1;
    for (let from = row; from !== -1; from = rowOf[end]!) {
      let least = Number.POSITIVE_INFINITY;
      for (let column = 0; column < size; column++) {
        if (isReached[column]) continue;
        const next = way + costs[from * size + column]! - ofRows[from]! - ofColumns[column]!;
        if (next < distance[column]!) {
          distance[column] = next;
          before[column] = from;
        }
        if (distance[column]! >= least) continue;
        least = distance[column]!;
        end = column;
      }
      if (least === Number.POSITIVE_INFINITY) return { cost: least, columnOf, ofRows, ofColumns };
      way = least;
      isReached[end] = 1;
    }
    for (let column = 0; column < size; column++) {
      if (!isReached[column] || column === end) continue;
      const shift = way - distance[column]!;
      ofColumns[column] = ofColumns[column]! - shift;
      ofRows[rowOf[column]!] = ofRows[rowOf[column]!]! + shift;
    }
    ofRows[row] = ofRows[row]! + way;
    for (let column = end; column !== -1; ) {
      const at = before[column]!;
      rowOf[column] = at;
      const left = columnOf[at]!;
      columnOf[at] = column;
      column = at === row ? -1 : left;
    }
  }
  let cost = 0;
  for (let row = 0; row < size; row++) cost += costs[row * size + columnOf[row]!]!;
  return { cost, columnOf, ofRows, ofColumns };
}

/** The cycles that an assignment falls into: the number of each row's, and how many there are. */
export function cyclesOf({ columnOf }: Assignment): { cycleOf: Int32Array; cycles: number } {
  const cycleOf = new Int32Array(columnOf.length).fill(-1);
  let cycles = 0;
  for (let start = 0; start < columnOf.length; start++) {
    if (cycleOf[start] !== -1) continue;
    for (let row = start; cycleOf[row] === -1; row = columnOf[row]!) cycleOf[row] = cycles;
    cycles++;
  }
  return { cycleOf, cycles };
}
