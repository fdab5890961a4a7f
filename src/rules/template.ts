import {
  compileExpression,
  type Evaluation,
  type Expression,
  ExpressionError,
  type Names,
  SCALARS,
} from "./expression.ts";

/** A text with `{{ expression }}` in it, compiled. */
export interface Template {
  readonly text: string;
  /** @throws what {@link Expression.evaluate} throws */
  render(evaluation: Evaluation): string;
}

const RENDERED_CHARACTERS = 2000;

const wholeNumber = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const fraction = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

/** How a value stands in a sentence: numbers with thousands separators (`string(…)` writes them plainly). */
export function shown(value: unknown): string {
  if (typeof value === "bigint") return wholeNumber.format(value);
  if (typeof value === "number") return (Number.isInteger(value) ? wholeNumber : fraction).format(value);
  // Names come out of dumps: whatever would move a terminal's cursor is shown as a replacement character.
  return String(value).replace(/\p{Cc}/gu, "\ufffd");
}

/** Texts out of a dump or a log can be as long as it is. */
export const inBounds = (text: string): string =>
  text.length <= RENDERED_CHARACTERS ? text : `${text.slice(0, RENDERED_CHARACTERS - 1)}…`;

/**
 * Compiles a template.
 *
 * @throws ExpressionError whose `at` counts from the start of the template
 */
export function compileTemplate(text: string, names: Names): Template {
  const parts: (string | Expression)[] = [];
  let from = 0;
  for (let open = text.indexOf("{{"); open >= 0; open = text.indexOf("{{", from)) {
    const close = text.indexOf("}}", open);
    if (close < 0) throw new ExpressionError({ message: "`{{` is not closed by `}}`", at: open });
    parts.push(text.slice(from, open));
    parts.push(expressionAt(text, open + 2, close, names));
    from = close + 2;
  }
  parts.push(text.slice(from));
  return {
    text,
    render(evaluation) {
      return inBounds(
        parts.map((part) => (typeof part === "string" ? part : shown(part.evaluate(evaluation)))).join(""),
      );
    },
  };
}

function expressionAt(text: string, start: number, end: number, names: Names): Expression {
  const inside = text.slice(start, end);
  const leading = inside.length - inside.trimStart().length;
  try {
    return compileExpression(inside.trim(), SCALARS, names);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new ExpressionError({ ...error.problem, at: error.problem.at + start + leading });
  }
}
