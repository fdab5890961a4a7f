import { isMap, isSeq, parseDocument } from "yaml";

/**
 * A YAML text with one more entry at the end of the list that stands under a key at its top; nothing else in it changes, not a
 * space. The entry's own lines are not indented:
 *
 *     withEntry("cases:\n  - name: one\n", "cases", "name: two\n")   // "cases:\n  - name: one\n\n  - name: two\n"
 *
 * @returns null where there is no such list, or it is written in brackets
 */
export function withEntry(text: string, key: string, entry: string): string | null {
  const { contents } = parseDocument(text, { keepSourceTokens: true });
  const list = isMap(contents) ? contents.get(key, true) : undefined;
  if (!isSeq(list) || list.srcToken?.type !== "block-seq") return null;
  const { range } = list.items.at(-1) as { range: readonly [number, number, number] };
  const lineEnd = text.indexOf("\n", range[1] - 1);
  const [before, after] = lineEnd < 0 ? [`${text}\n`, ""] : [text.slice(0, lineEnd + 1), text.slice(lineEnd + 1)];
  const indent = " ".repeat(list.srcToken.indent);
  const lines = itemLines(entry, indent);
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  return `${before}${["", ...lines, ""].join(newline)}${after}`;
}

/** A text that is a list with one entry, under a key. */
export const listOf = (key: string, entry: string): string => `${[`${key}:`, ...itemLines(entry, "  ")].join("\n")}\n`;

const itemLines = (entry: string, indent: string): string[] =>
  entry
    .trimEnd()
    .split("\n")
    .map((line, index) => (line === "" ? "" : `${indent}${index === 0 ? "- " : "  "}${line}`));
