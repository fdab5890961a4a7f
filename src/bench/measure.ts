/** Accesses that one call of a measured function makes: their addresses fit the first cache. */
export const BLOCK = 1024;

/**
 * Rounds over the whole order, of which the best counts; where a round is short, as many as come to so many accesses: V8
 * compiles beside the work, and what takes five milliseconds in all is over before it has compiled.
 */
const ROUNDS = 9;
const ACCESSES = 1 << 20;

/** Does `BLOCK` accesses, beginning with number `from` of an order, and gives something that depends on each of them. */
export type Block = (from: number) => number;

/** Keeps the measured work from being thrown away as unused: the result of every block goes here. */
const sink = new Int32Array(1);

/**
 * Nanoseconds an access: the best of several rounds over `accesses` accesses, after two rounds to warm up.
 * @param accesses a multiple of BLOCK, or fewer
 * @param prepare what has to be done before each round, and is not timed
 */
export function nanoseconds(block: Block, accesses: number, prepare: () => void = () => {}): number {
  return nanosecondsBySide([block], accesses, prepare)[0]!;
}

/** The same for several blocks, which take turns round by round: what disturbs one disturbs its neighbours too. */
export function nanosecondsBySide(
  blocks: readonly Block[],
  accesses: number,
  prepare: () => void = () => {},
): readonly number[] {
  const best = blocks.map(() => Number.POSITIVE_INFINITY);
  const rounds = Math.max(ROUNDS, Math.ceil(ACCESSES / accesses));
  for (let round = -2; round < rounds; round++)
    for (const [index, block] of blocks.entries()) {
      prepare();
      const begun = process.hrtime.bigint();
      for (let from = 0; from < accesses; from += BLOCK) sink[0]! ^= block(from);
      const taken = Number(process.hrtime.bigint() - begun) / accesses;
      if (round >= 0 && taken < best[index]!) best[index] = taken;
    }
  return best;
}
