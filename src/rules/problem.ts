import { StopcodeError, type Where, whereText } from "../binary/index.ts";

/** One thing wrong with a pack or its tests, with the line it stands in. */
export interface PackProblem {
  /** `rules/unknown-key`, `rules/expression` … */
  readonly code: string;
  readonly message: string;
  readonly where: Required<Pick<Where, "file" | "line" | "column">>;
  /** The line itself. */
  readonly line: string;
  readonly hint: string | null;
}

/** In the order of the file. */
export const byPlace = ({ where: a }: PackProblem, { where: b }: PackProblem): number =>
  a.line - b.line || a.column - b.column;

/** The line, and a caret below the column: what an editor would show. Tabs stay tabs, so that the caret stands right. */
function excerpt({ line, where }: PackProblem): string {
  const number = `${where.line}`;
  const indent = line.slice(0, where.column - 1).replace(/[^\t]/g, " ");
  return `  ${number} | ${line}\n  ${" ".repeat(number.length)} | ${indent}^`;
}

/** A problem as a person reads it: place, message, the line, what to do. */
export function problemText(problem: PackProblem): string {
  const hint = problem.hint === null ? "" : `\n  hint: ${problem.hint}`;
  return `${whereText(problem.where)}: ${problem.message}\n${excerpt(problem)}${hint}`;
}

/** The error for a pack that was refused: its first problem, and how many more there are. */
export function refusal(problems: readonly [PackProblem, ...PackProblem[]]): StopcodeError {
  const [first, ...others] = problems;
  const more = others.length === 0 ? "" : `\n  (and ${others.length} more)`;
  return new StopcodeError(first.code, `${first.message}\n${excerpt(first)}${more}`, {
    where: first.where,
    ...(first.hint === null ? {} : { hint: first.hint }),
  });
}
