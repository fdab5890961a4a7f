import { Composer, type Document, LineCounter, type Node } from "yaml";
import type { DocumentKind } from "./kind.ts";
import { type Spot, syntaxTrees, unwanted } from "./limits.ts";
import { keyOffset, type Path, valueOffset } from "./place.ts";
import { type DocumentPlace, type DocumentProblem, type DocumentProblems, isProblems } from "./problem.ts";

/** How much of a line an error shows, and of what it says: a key can be as long as the file. */
const LINE_CHARACTERS = 200;
const MESSAGE_CHARACTERS = 500;

/** A text that is no YAML at all has an error in every line; the first few say it. */
const ERRORS_SHOWN = 5;

/** A document that is YAML, and knows where in its text each of its values stands. */
export interface YamlDocument {
  readonly kind: DocumentKind;
  readonly file: string;
  readonly value: unknown;
  /** Where the value at a path stands. */
  where(path: Path): DocumentPlace;
  /** A problem at a path. */
  problem(code: string, message: string, path: Path, detail?: ProblemDetail): DocumentProblem;
}

interface ProblemDetail {
  /** Characters into the text of the value. */
  readonly at?: number;
  /** What is shown of the path's end, where it is not what the kind says. */
  readonly pointsAt?: "value" | "key";
  readonly hint?: string | undefined;
}

/** Parses a text as one YAML document without anchors, aliases or tags; `file` is how problems call it. */
export function parseYaml(
  kind: DocumentKind,
  file: string,
  text: string,
): { readonly document: YamlDocument } | { readonly problems: DocumentProblems } {
  const source = new Source(file, text);
  const syntax = syntaxTrees(text);
  if ("excess" in syntax) return { problems: [source.problem(`${kind.prefix}/too-large`, syntax.excess)] };

  const composed = new Composer().compose(syntax.trees, true, text.length);
  // There is one at least, if only an empty one; what comes after a second is not composed.
  const [parsed, second] = composed as unknown as [Document.Parsed, Document.Parsed?];
  const root = parsed.contents as Node | null;
  const errors = [...parsed.errors, ...parsed.warnings].map(({ message, pos: [offset] }) => ({ message, offset }));
  const more = second === undefined ? [] : [{ message: "it holds multiple documents", offset: second.range[0] }];
  const broken = [...errors, ...more, ...unwanted(parsed)]
    .slice(0, ERRORS_SHOWN)
    .map((spot) => source.problem(`${kind.prefix}/yaml`, spot));
  if (isProblems(broken)) return { problems: broken };

  const document: YamlDocument = {
    kind,
    file,
    value: parsed.toJS(),
    where: (path) => source.where(valueOffset(root, path, text)),
    problem: (code, message, path, { at, pointsAt = "value", hint } = {}) => {
      const offset = pointsAt === "key" ? keyOffset(root, path, text) : valueOffset(root, path, text, at);
      return source.problem(code, { message, offset }, hint);
    },
  };
  return { document };
}

/** Control characters would act on the terminal that shows them. */
const shown = (text: string): string => text.replace(/[^\P{Cc}\t]/gu, "\ufffd");

/** A text whose problems are given by offsets. */
class Source {
  readonly #file: string;
  readonly #lines: readonly string[];
  readonly #counter = new LineCounter();

  constructor(file: string, text: string) {
    this.#file = file;
    this.#lines = text.split("\n");
    let start = 0;
    for (const line of this.#lines) {
      this.#counter.addNewLine(start);
      start += line.length + 1;
    }
  }

  where(offset: number): DocumentPlace {
    const { line, col } = this.#counter.linePos(offset);
    return { file: this.#file, line, column: col };
  }

  problem(code: string, { message, offset }: Spot, hint?: string): DocumentProblem {
    const where = this.where(offset);
    const line = this.#lines[where.line - 1]!.replace(/\r$/, "").slice(0, LINE_CHARACTERS);
    return {
      code,
      message: shown(message.slice(0, MESSAGE_CHARACTERS)),
      where,
      line: shown(line),
      hint: hint === undefined ? null : shown(hint),
    };
  }
}
