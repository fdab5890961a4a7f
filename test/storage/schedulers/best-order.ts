/** The shortest way through all stops, by trying what every set of them can cost (Held and Karp 1962). At most 12 stops. */
export function heldKarp(times: Float64Array, size: number): number {
  const sets = 1 << size;
  const least = new Float64Array(sets * size).fill(Number.POSITIVE_INFINITY);
  for (let stop = 0; stop < size; stop++) least[(1 << stop) * size + stop] = times[size * size + stop]!;
  for (let set = 1; set < sets; set++)
    for (let last = 0; last < size; last++) {
      const way = least[set * size + last]!;
      if (way === Number.POSITIVE_INFINITY) continue;
      for (let next = 0; next < size; next++) {
        if (set & (1 << next)) continue;
        const place = (set | (1 << next)) * size + next;
        least[place] = Math.min(least[place]!, way + times[last * size + next]!);
      }
    }
  return Math.min(...least.subarray((sets - 1) * size));
}

/**
 * A lower bound of any order: every stop has one before it, and no two the same (the assignment problem, by the Hungarian method
 * with potentials). One place before is nobody's: where the way ends.
 */
export function assignmentBound(times: Float64Array, size: number): number {
  // Rows: what comes before (stops, and the heads); columns: stops, and the end, which costs nothing.
  const n = size + 1;
  const cost = (row: number, column: number) =>
    column === size ? (row === size ? 1e9 : 0) : Math.min(1e9, times[row * size + column]!);
  const u = new Float64Array(n + 1);
  const v = new Float64Array(n + 1);
  const match = new Int32Array(n + 1);
  const way = new Int32Array(n + 1);
  for (let row = 1; row <= n; row++) {
    match[0] = row;
    let column = 0;
    const least = new Float64Array(n + 1).fill(Number.POSITIVE_INFINITY);
    const used = new Uint8Array(n + 1);
    do {
      used[column] = 1;
      const at = match[column]!;
      let delta = Number.POSITIVE_INFINITY;
      let next = 0;
      for (let other = 1; other <= n; other++) {
        if (used[other]) continue;
        const reduced = cost(at - 1, other - 1) - u[at]! - v[other]!;
        if (reduced < least[other]!) {
          least[other] = reduced;
          way[other] = column;
        }
        if (least[other]! < delta) {
          delta = least[other]!;
          next = other;
        }
      }
      for (let other = 0; other <= n; other++)
        if (used[other]) {
          u[match[other]!] = u[match[other]!]! + delta;
          v[other] = v[other]! - delta;
        } else least[other] = least[other]! - delta;
      column = next;
    } while (match[column] !== 0);
    do {
      const back = way[column]!;
      match[column] = match[back]!;
      column = back;
    } while (column !== 0);
  }
  let sum = 0;
  for (let column = 1; column <= n; column++) sum += cost(match[column]! - 1, column - 1);
  return sum;
}
