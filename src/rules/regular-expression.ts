import { RE2JS, RE2JSException, RE2JSSyntaxException } from "re2js";
import { ExpressionError } from "./expression.ts";
import type { ExpressionProblem } from "./expression-walk.ts";
import { requiredLiterals } from "./required-literals.ts";

/** Characters times instructions of one test. Beyond it a line that defeats the library's automaton could take longer than a second. */
const MOST_AT_ONCE = 10_000_000;

/** What a call costs beside its characters, each of which is a step where the automaton has its state already. */
const STEPS_PER_CALL = 20;
/** What it costs to make a state of the automaton, measured on patterns that make one at every character. */
const stepsToMakeState = (instructions: number): number => 1000 + 10 * instructions;

/** Patterns as people write them come to a few dozen; the library keeps some ten thousand. */
const MANY_STATES = 1000;

/** What an instruction costs for each character where captures are told apart, which the automaton cannot. */
const STEPS_PER_INSTRUCTION = 4;

/** Pays for the work of patterns, where a log is as hostile as the pack may be. A step is about ten nanoseconds. */
export interface Allowance {
  /** @throws OutOfSteps when there is nothing left */
  charge(steps: number): void;
}

const IGNORE_CASE = "(?i)";

const LOOK_AROUND = /^\(\?<?[=!]/;
const BACK_REFERENCE = /^\\(?:[1-9]|k)|^\(\?P=/;

/** A regular expression in RE2 syntax: its time is linear in the length of the line, whatever either of them holds. */
export class RegularExpression {
  readonly text: string;
  /** Instructions of its program. */
  readonly size: number;
  /** The names of its captures. */
  readonly names: readonly string[];
  /** Texts of which every line that matches has at least one, in lower case for any; none when there are no such texts. */
  readonly literals: readonly string[];
  readonly #compiled: RE2JS;

  /** @throws ExpressionError for what is not RE2 syntax */
  constructor(text: string) {
    const lineEnd = text.indexOf("\n");
    if (lineEnd >= 0)
      throw new ExpressionError({ message: "a pattern is one line, as what it matches is", at: lineEnd });
    this.text = text;
    this.#compiled = compile(text);
    this.size = this.#compiled.programSize();
    this.names = Object.keys(this.#compiled.namedGroups());
    // The library names no literals where case does not count. Case only widens what each part matches, so those of the same pattern
    // with case are right.
    const cased = text.startsWith(IGNORE_CASE) ? compile(text.slice(IGNORE_CASE.length)) : this.#compiled;
    this.literals = requiredLiterals(cased.re2().prefilter);
  }

  /** @throws what `charge` does, or Error for a line too long for a pattern of this size */
  test(line: string, allowance: Allowance): boolean {
    if (line.length * this.size > MOST_AT_ONCE) {
      throw new Error(`a line of ${line.length} characters is too long for the pattern ${this.text}`);
    }
    allowance.charge(STEPS_PER_CALL + line.length);
    const before = this.#states;
    const met = this.#compiled.test(line);
    const states = this.#states;
    // Where there are too many states the library begins anew, or goes on without: then there may have been one a character.
    const isUncounted = states < before || Math.min(states, line.length) > MANY_STATES;
    const made = isUncounted ? line.length : states - before;
    allowance.charge(made * stepsToMakeState(this.size));
    return met;
  }

  /** What the named captures took of a line that matches; null for those that took no part. */
  captures(line: string, allowance: Allowance): Readonly<Record<string, string | null>> {
    if (this.names.length === 0) return {};
    allowance.charge(line.length * this.size * STEPS_PER_INSTRUCTION);
    const matcher = this.#compiled.matcher(line);
    matcher.find();
    return matcher.getNamedGroups();
  }

  /** How many states the library's automaton has, which it makes as lines need them: the part of its work that is not a walk. */
  get #states(): number {
    return (this.#compiled.re2().lazyDFA as { readonly stateCount: number } | null)?.stateCount ?? 0;
  }
}

function compile(text: string): RE2JS {
  try {
    return RE2JS.compile(text);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    throw new ExpressionError(
      error instanceof RE2JSSyntaxException ? syntaxProblem(text, error) : { message: error.message, at: 0 },
    );
  }
}

function syntaxProblem(text: string, { error, input }: RE2JSSyntaxException): ExpressionProblem {
  const wrong = input ?? "";
  const at = placeOf(wrong, text);
  const linear = "RE2 has none, so that its time is linear";
  if (LOOK_AROUND.test(text.slice(at))) {
    const hint = `${linear}: match the whole and capture a part, or name in \`unless\` what must not stand there`;
    return { message: "look-around is not allowed", at, hint };
  }
  if (BACK_REFERENCE.test(text.slice(at))) {
    const hint = `${linear}: capture both and compare them in \`when\``;
    return { message: "back-references are not allowed", at, hint };
  }
  return { message: wrong === "" ? error : `${error}: \`${wrong}\``, at, hint: "patterns are RE2 syntax" };
}

/** The library names what is wrong, or the rest of the pattern from there on. */
function placeOf(wrong: string, text: string): number {
  if (text.endsWith(wrong)) return text.length - wrong.length;
  // `(?P` also begins every named capture that is right.
  if (wrong === "(?P") return text.search(/\(\?P(?!<)/);
  return Math.max(0, text.indexOf(wrong));
}
