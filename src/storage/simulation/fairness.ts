/**
 * Jain's fairness index (Jain, Chiu and Hawe 1984): 1 where all have the same, 1/n where one of n has all. Null: there are none, or none of
 * them has anything.
 */
export function fairness(shares: readonly number[]): number | null {
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share ** 2, 0);
  return squares === 0 ? null : sum ** 2 / (shares.length * squares);
}
