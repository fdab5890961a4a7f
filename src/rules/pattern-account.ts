import { ExpressionError } from "./expression.ts";
import { RegularExpression } from "./regular-expression.ts";

/** What a pattern may cost to compile; one for kernel messages costs 200 to 300. */
const MOST_OF_A_PATTERN = 5000;
/** What all patterns of a pack may cost: some 600 of these, and half a second. */
const MOST_OF_A_PACK = 150_000;

/** A pattern costs something, however short it is. */
const LEAST_COST = 100;

/** A character, or a bracket: most become one or two instructions. */
const COST = 2;
/** Classes beyond ASCII are made of thousands of ranges, more so where case does not count. */
const UNICODE_COST = 1000;

/** Compiles the patterns of a pack, as far as they are affordable: a few letters can stand for a program of a million instructions. */
export class PatternAccount {
  #spent = 0;

  /** Whether a pattern was refused because of those before it: saying so of the others too would help nobody. */
  get isSpent(): boolean {
    return this.#spent > MOST_OF_A_PACK;
  }

  /** @throws ExpressionError for a pattern that is not RE2 syntax, or too large by itself or with those before it */
  compile(pattern: string): RegularExpression {
    const cost = patternCost(pattern);
    if (cost > MOST_OF_A_PATTERN) {
      const hint = "a counted repetition stands for that many copies, a class such as `\\pL` for hundreds of ranges";
      throw new ExpressionError({ message: "it is too large to compile", at: 0, hint });
    }
    this.#spent += cost;
    if (this.isSpent) {
      const hint = "write simpler patterns, or make two packs of it";
      throw new ExpressionError({ message: "the pack's patterns up to here are too large together", at: 0, hint });
    }
    return new RegularExpression(pattern);
  }
}

/** Quoted text; an escape; a class; a counted repetition; any other character. */
const TOKEN = /\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d+)(?:,(\d*))?\}|./gs;

/**
 * How large a pattern's program can become, at most, and with it the time to compile it: a counted repetition stands for that many
 * copies of what it repeats, and those of groups multiply each other.
 */
function patternCost(pattern: string): number {
  const groups = [LEAST_COST];
  let last = 0;
  for (const [token, least, most] of pattern.matchAll(TOKEN)) {
    if (token === "(") {
      groups.push(0);
      continue;
    }
    if (least !== undefined) last *= Math.max(1, Number(least), Number(most ?? 0)) - 1;
    else if (token === ")" && groups.length > 1) last = groups.pop()! + COST;
    else last = tokenCost(token);
    groups.push(groups.pop()! + last);
  }
  return groups.reduce((sum, cost) => sum + cost);
}

const tokenCost = (token: string): number =>
  COST * token.length + UNICODE_COST * (token.match(/\\[pP]|\\x\{|-[^ -~]/g)?.length ?? 0);
