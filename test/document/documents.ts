import type { z } from "zod";
import {
  checkShape,
  type DocumentKind,
  type DocumentProblem,
  parseYaml,
  type YamlDocument,
} from "../../src/document/index.ts";

export const letter: DocumentKind = { name: "letter", prefix: "letters" };

/** A text that must be YAML. */
export function documentOf(text: string, kind = letter): YamlDocument {
  const parsed = parseYaml(kind, "d.yaml", text);
  if ("problems" in parsed) throw new Error(parsed.problems[0].message);
  return parsed.document;
}

/** Everything wrong with a text. */
export function problemsOf(text: string, schema: z.ZodType, kind = letter): readonly DocumentProblem[] {
  const parsed = parseYaml(kind, "d.yaml", text);
  const checked = "problems" in parsed ? parsed : checkShape(parsed.document, schema);
  return "problems" in checked ? checked.problems : [];
}

/** `line:column message (hint)`. */
export const brief = ({ where, message, hint }: DocumentProblem): string =>
  `${where.line}:${where.column} ${message}${hint === null ? "" : ` (${hint})`}`;
