/** A stretch of words that both texts have, or that only one has. */
export interface Stretch {
  readonly text: string;
  readonly common: boolean;
}

/** Two texts, each as the stretches it shares with the other and those it does not. */
export interface WordDifference {
  readonly expected: readonly Stretch[];
  readonly actual: readonly Stretch[];
}

/** Compares two texts word by word, each line with the line at its place. */
export function wordDifference(expected: string, actual: string): WordDifference {
  const [left, right] = [expected.split("\n"), actual.split("\n")];
  const lines = Array.from({ length: Math.max(left.length, right.length) }, (_, index) =>
    lineDifference(left[index], right[index]),
  );
  return {
    expected: joined(lines.flatMap((line) => (line.expected === null ? [] : [line.expected]))),
    actual: joined(lines.flatMap((line) => (line.actual === null ? [] : [line.actual]))),
  };
}

interface LineDifference {
  readonly expected: readonly Stretch[] | null;
  readonly actual: readonly Stretch[] | null;
}

function lineDifference(expected: string | undefined, actual: string | undefined): LineDifference {
  if (expected === undefined || actual === undefined) {
    const alone = (text: string | undefined) => (text === undefined ? null : [{ text, common: false }]);
    return { expected: alone(expected), actual: alone(actual) };
  }
  const [left, right] = [words(expected), words(actual)];
  const common = longestCommon(left, right);
  return {
    expected: stretches(left, new Set(common.map(([index]) => index))),
    actual: stretches(right, new Set(common.map(([, index]) => index))),
  };
}

/** A text's words and the spaces between them, so that nothing is lost. */
const words = (text: string): string[] => text.split(/(\s+)/).filter((word) => word !== "");

/** Pairs of indexes of the longest sequence of words that both lists have. */
function longestCommon(left: readonly string[], right: readonly string[]): [number, number][] {
  const columns = right.length + 1;
  // lengths[row, column]: of what is common to the two lists from there on.
  const lengths = new Uint16Array((left.length + 1) * columns);
  for (let row = left.length - 1; row >= 0; row--) {
    for (let column = right.length - 1; column >= 0; column--) {
      const at = row * columns + column;
      lengths[at] =
        left[row] === right[column]
          ? lengths[at + columns + 1]! + 1
          : Math.max(lengths[at + columns]!, lengths[at + 1]!);
    }
  }
  const pairs: [number, number][] = [];
  for (let row = 0, column = 0; row < left.length && column < right.length; ) {
    const at = row * columns + column;
    if (left[row] === right[column]) pairs.push([row++, column++]);
    else if (lengths[at + columns]! >= lengths[at + 1]!) row++;
    else column++;
  }
  return pairs;
}

function stretches(list: readonly string[], common: ReadonlySet<number>): Stretch[] {
  const isSpace = (word: string | undefined) => word !== undefined && word.trim() === "";
  const shared = list.map((word, index) => {
    // A space between two words that differ belongs to them, so that a changed phrase is one stretch.
    const between = index > 0 && index + 1 < list.length && !common.has(index - 1) && !common.has(index + 1);
    return common.has(index) && !(isSpace(word) && between);
  });
  return merged(list.map((text, index) => ({ text, common: shared[index]! })));
}

function joined(lines: readonly (readonly Stretch[])[]): Stretch[] {
  const newline = { text: "\n", common: true };
  return merged(lines.flatMap((line, index) => (index === 0 ? [...line] : [newline, ...line])));
}

function merged(list: readonly Stretch[]): Stretch[] {
  const result: Stretch[] = [];
  for (const stretch of list) {
    const last = result.at(-1);
    if (last?.common === stretch.common) result[result.length - 1] = { ...last, text: last.text + stretch.text };
    else result.push(stretch);
  }
  return result;
}

/** Whether two texts have so little in common that marks would only disturb. */
const isAllDifferent = (list: readonly Stretch[]): boolean =>
  list.every(({ text, common }) => !common || text.trim() === "");

/**
 * A side of a difference as plain text, with what only it has marked as `git diff --word-diff` marks it: `[-…-]` in what was
 * expected, `{+…+}` in what came. Texts with no word in common have no marks.
 */
export function markedWords(side: "expected" | "actual", { [side]: list }: WordDifference): string {
  const [open, close] = side === "expected" ? ["[-", "-]"] : ["{+", "+}"];
  if (isAllDifferent(list)) return list.map(({ text }) => text).join("");
  return list
    .map(({ text, common }) => (common ? text : text.replace(/[^\n]+/g, (line) => `${open}${line}${close}`)))
    .join("");
}
