import { StopcodeError, type Where, whereText } from "../binary/index.ts";

/** A place in a document. */
export type DocumentPlace = Required<Pick<Where, "file" | "line" | "column">>;

/** One thing wrong with a document, with the line it stands in. */
export interface DocumentProblem {
  /** `rules/unknown-key`, `scenario/yaml` … */
  readonly code: string;
  readonly message: string;
  readonly where: DocumentPlace;
  /** The line itself, or the beginning of a very long one. */
  readonly line: string;
  readonly hint: string | null;
}

/** At least one. */
export type DocumentProblems = [DocumentProblem, ...DocumentProblem[]];

/** Whether anything is wrong. */
export const isProblems = (list: DocumentProblem[]): list is DocumentProblems => list.length > 0;

/** In the order of the file. */
export const byPlace = ({ where: a }: DocumentProblem, { where: b }: DocumentProblem): number =>
  a.line - b.line || a.column - b.column;

/** The line, and a caret below the column: what an editor would show. Tabs stay tabs, so that the caret stands right. */
function excerpt({ line, where }: DocumentProblem): string {
  const number = `${where.line}`;
  const shown = `  ${number} | ${line}`;
  if (where.column > line.length + 1) return shown; // the column is beyond what is shown of a long line
  const indent = line.slice(0, where.column - 1).replace(/[^\t]/g, " ");
  return `${shown}\n  ${" ".repeat(number.length)} | ${indent}^`;
}

/** A problem as a person reads it: place, message, the line, what to do. */
export function problemText(problem: DocumentProblem): string {
  const hint = problem.hint === null ? "" : `\n  hint: ${problem.hint}`;
  return `${whereText(problem.where)}: ${problem.message}\n${excerpt(problem)}${hint}`;
}

/**
 * The error for a document that was refused: its first problem with the line it stands in, and how many more there are. The
 * first line of its message is whole without the others.
 *
 * @param otherwise what to do where the problem itself has no hint
 */
export function refusal(problems: Readonly<DocumentProblems>, otherwise?: string): StopcodeError {
  const [first, ...others] = problems;
  const more = others.length === 0 ? "" : `\n  (and ${others.length} more)`;
  const hint = first.hint ?? otherwise;
  return new StopcodeError(first.code, `${first.message}\n${excerpt(first)}${more}`, {
    where: first.where,
    ...(hint === undefined ? {} : { hint }),
  });
}
