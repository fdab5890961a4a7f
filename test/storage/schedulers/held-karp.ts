/** The shortest way through all stops, by trying what every set of them can cost (Held and Karp 1962). Of 12 stops or so. */
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
