import type { Facts } from "../analysis/facts.ts";
import { OutOfSteps } from "./fact-view.ts";
import { LiteralSearch } from "./literal-search.ts";
import type { LogLine, LogPattern, PatternAnswer } from "./log-pattern.ts";
import type { Allowance } from "./regular-expression.ts";
import type { Rule } from "./rule.ts";

/** Characters of literals that are looked for at once: a table of 25 MB. Patterns beyond that are tried on every line. */
const MOST_LITERAL_CHARACTERS = 65_536;

/** What a rule's patterns, and a pack's, may spend: two patterns without literals over the longest log, or half a second of hostility. */
const STEPS_PER_RULE = 30_000_000;
const STEPS_PER_PACK = 60_000_000;

/** The lines of a log: a record of several lines counts as so many. */
export function logLines(log: NonNullable<Facts["log"]>): LogLine[] {
  const lines: LogLine[] = [];
  for (const { text, seconds } of log.records)
    for (const one of text.includes("\n") ? text.split("\n") : [text])
      lines.push({ text: one, line: lines.length + 1, seconds: seconds ?? null });
  return lines;
}

/** A pattern that is being looked for. */
interface Wanted {
  readonly pattern: LogPattern;
  readonly allowance: Allowance;
  answer: PatternAnswer;
  settled: boolean;
  /** The line on which it was last tried. */
  tried: number;
}

/**
 * Looks for the patterns of rules in one pass over a log. A line is tried on a pattern only where one of the pattern's literals
 * stands in it; patterns without literals are tried on each.
 */
export function searchLog<Asked extends Pick<Rule, "pack" | "log">>(
  lines: readonly LogLine[],
  rules: readonly Asked[],
): Map<Asked, readonly PatternAnswer[]> {
  const packs = new Map(rules.map(({ pack }) => [pack, new Steps(STEPS_PER_PACK, null)]));
  const wanted = new Map(
    rules.map((rule) => {
      const allowance = new Steps(STEPS_PER_RULE, packs.get(rule.pack)!);
      return [rule, rule.log.map((pattern) => want(pattern, allowance))];
    }),
  );
  sweep(lines, [...wanted.values()].flat());
  return new Map([...wanted].map(([rule, patterns]) => [rule, patterns.map(({ answer }) => answer)]));
}

const want = (pattern: LogPattern, allowance: Allowance): Wanted => ({
  ...{ pattern, allowance, answer: { kind: "absent" }, settled: false, tried: 0 },
});

function sweep(lines: readonly LogLine[], wanted: readonly Wanted[]): void {
  if (wanted.length === 0) return;
  const { literals, holders, everywhere } = sorted(wanted);
  const search = new LiteralSearch(literals);
  let left = wanted.length;
  let current: LogLine;
  const tryAll = (patterns: Wanted[]): void => {
    for (let at = patterns.length - 1; at >= 0; at--) {
      const one = patterns[at]!;
      if (!one.settled && one.tried !== current.line) {
        one.tried = current.line;
        attempt(one, current);
        if (one.settled) left--;
      }
      if (!one.settled) continue;
      patterns[at] = patterns.at(-1)!;
      patterns.pop();
    }
  };
  for (current of lines) {
    if (left === 0) return;
    tryAll(everywhere);
    search.scan(current.text, (literal) => tryAll(holders[literal]!));
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

function attempt(one: Wanted, line: LogLine): void {
  const { match, unless } = one.pattern;
  try {
    if (!match.test(line.text, one.allowance) || unless?.test(line.text, one.allowance)) return;
    one.answer = { kind: "found", line, captures: match.captures(line.text, one.allowance) };
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
