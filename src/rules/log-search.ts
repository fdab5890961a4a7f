import type { LogRecord } from "../analysis/facts.ts";
import { OutOfSteps } from "./fact-view.ts";
import { LiteralSearch } from "./literal-search.ts";
import type { LogPattern, PatternAnswer } from "./log-pattern.ts";
import type { Allowance } from "./regular-expression.ts";
import type { Rule } from "./rule.ts";

/** Characters of literals that are looked for at once: a table of 25 MB. Patterns beyond that are tried on every line. */
const MOST_LITERAL_CHARACTERS = 65_536;

/** What the patterns of a rule, and of a pack, may spend: as much as one, and two, without literals take of the longest log. */
const STEPS_PER_RULE = 25_000_000;
const STEPS_PER_PACK = 50_000_000;

/** A pattern that is being looked for. */
interface Wanted {
  readonly pattern: LogPattern;
  readonly allowance: Allowance;
  answer: PatternAnswer;
  settled: boolean;
  /** The number of the line on which it was last tried. */
  tried: number;
}

/**
 * Looks for the patterns of rules in one pass over a log. A line is tried on a pattern only where one of the pattern's literals
 * stands in it; patterns without literals are tried on each. A record of several lines counts as so many.
 */
export function searchLog<Asked extends Pick<Rule, "pack" | "log">>(
  records: readonly LogRecord[],
  rules: readonly Asked[],
): Map<Asked, readonly PatternAnswer[]> {
  const packs = new Map(rules.map(({ pack }) => [pack, new Steps(STEPS_PER_PACK, null)]));
  const wanted = new Map(
    rules.map((rule) => {
      const allowance = new Steps(STEPS_PER_RULE, packs.get(rule.pack)!);
      return [rule, rule.log.map((pattern) => want(pattern, allowance))];
    }),
  );
  sweep(records, [...wanted.values()].flat());
  return new Map([...wanted].map(([rule, patterns]) => [rule, patterns.map(({ answer }) => answer)]));
}

const want = (pattern: LogPattern, allowance: Allowance): Wanted => ({
  ...{ pattern, allowance, answer: { kind: "absent" }, settled: false, tried: 0 },
});

function sweep(records: readonly LogRecord[], wanted: readonly Wanted[]): void {
  if (wanted.length === 0) return;
  const { literals, holders, everywhere } = sorted(wanted);
  const search = new LiteralSearch(literals);
  let left = wanted.length;
  let number = 0;
  const tryAll = (patterns: Wanted[], text: string, { seconds }: LogRecord): void => {
    for (let at = patterns.length - 1; at >= 0; at--) {
      const one = patterns[at]!;
      if (!one.settled && one.tried !== number) {
        one.tried = number;
        attempt(one, text, number, seconds ?? null);
        if (one.settled) left--;
      }
      if (!one.settled) continue;
      patterns[at] = patterns.at(-1)!;
      patterns.pop();
    }
  };
  for (const record of records)
    for (const text of record.text.includes("\n") ? record.text.split("\n") : [record.text]) {
      if (left === 0) return;
      number++;
      tryAll(everywhere, text, record);
      search.scan(text, (literal) => tryAll(holders[literal]!, text, record));
    }
}

/** Patterns by the literals of which their lines have one, and those that have none. */
function sorted(wanted: readonly Wanted[]): { literals: string[]; holders: Wanted[][]; everywhere: Wanted[] } {
  const holders = new Map<string, Wanted[]>();
  const everywhere: Wanted[] = [];
  let characters = 0;
  for (const one of wanted) {
    const { literals } = one.pattern.match;
    const fresh = literals.filter((literal) => !holders.has(literal)).reduce((sum, { length }) => sum + length, 0);
    if (literals.length === 0 || characters + fresh > MOST_LITERAL_CHARACTERS) {
      everywhere.push(one);
      continue;
    }
    characters += fresh;
    for (const literal of literals) {
      const holder = holders.get(literal);
      if (holder === undefined) holders.set(literal, [one]);
      else holder.push(one);
    }
  }
  return { literals: [...holders.keys()], holders: [...holders.values()], everywhere };
}

function attempt(one: Wanted, text: string, line: number, seconds: number | null): void {
  const { match, unless } = one.pattern;
  try {
    if (!match.test(text, one.allowance) || unless?.test(text, one.allowance)) return;
    one.answer = { kind: "found", line: { text, line, seconds }, captures: match.captures(text, one.allowance) };
  } catch (error) {
    const spent = `its patterns took more than ${STEPS_PER_RULE} steps, or its pack's more than ${STEPS_PER_PACK}`;
    const reason = error instanceof OutOfSteps ? spent : (error as Error).message;
    one.answer = { kind: "stopped", reason: `it was stopped: ${reason}` };
  }
  one.settled = true;
}

/** What is left to a rule, which is also spent of what is left to its pack. */
class Steps implements Allowance {
  #left: number;
  readonly #pack: Steps | null;

  constructor(steps: number, pack: Steps | null) {
    this.#left = steps;
    this.#pack = pack;
  }

  charge(steps: number): void {
    this.#left -= steps;
    this.#pack?.charge(steps);
    if (this.#left < 0) throw new OutOfSteps();
  }
}
