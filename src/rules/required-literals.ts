/** Shorter ones stand in so many lines that looking for them spares nothing. */
const FEWEST_CHARACTERS = 3;
/** The beginning of a long one is as rare. */
const MOST_CHARACTERS = 32;

/** What re2js finds out about a pattern when it parses it (`RE2.prefilter`): what a line must hold to match. */
interface Prefilter {
  readonly type: number;
  readonly str: string;
  readonly subs: readonly Prefilter[];
}

const [EXACT, ALL, ANY] = [1, 2, 3] as const;

/**
 * Texts of which every line that matches has at least one, in some mixture of capitals: the longest, which are likely to be the
 * rarest. In lower case.
 */
export function requiredLiterals(prefilter: Prefilter | null): readonly string[] {
  if (prefilter === null) return [];
  const { type, str, subs } = prefilter;
  if (type === EXACT) return literal(str);
  const below = subs.map(requiredLiterals);
  if (type === ALL) return below.reduce((best, one) => (shortest(one) > shortest(best) ? one : best), []);
  if (type === ANY) return below.some((one) => one.length === 0) ? [] : [...new Set(below.flat())];
  return [];
}

const shortest = (literals: readonly string[]): number =>
  literals.length === 0 ? 0 : Math.min(...literals.map(({ length }) => length));

/** The longest part of a text that is printable ASCII: a log's bytes may be no UTF-8, and a small alphabet keeps the search small. */
function literal(text: string): readonly string[] {
  const [longest = ""] = (text.match(/[ -~]+/g) ?? []).sort((a, b) => b.length - a.length);
  return longest.length < FEWEST_CHARACTERS ? [] : [longest.slice(0, MOST_CHARACTERS).toLowerCase()];
}
