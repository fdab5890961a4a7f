import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { Path } from "../../src/document/index.ts";
import { documentOf } from "./documents.ts";

/** Every key and every text of a tree with its path; each word in the tree is written but once. */
function* words(tree: unknown, path: Path = []): Generator<{ path: Path; word: string; isKey: boolean }> {
  if (typeof tree === "string") yield { path, word: tree, isKey: false };
  else if (Array.isArray(tree)) for (const [index, below] of tree.entries()) yield* words(below, [...path, index]);
  else
    for (const [key, below] of Object.entries(tree as object)) {
      yield { path: [...path, key], word: key, isKey: true };
      yield* words(below, [...path, key]);
    }
}

/** A tree of maps, lists and texts whose keys and texts are all different words. */
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constant("leaf"),
    fc.array(tie("tree"), { minLength: 1, maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^[a-z]$/), tie("tree"), { minKeys: 1, maxKeys: 4 }),
  ),
}));

function numbered(shape: unknown, next = { count: 0 }): unknown {
  if (typeof shape === "string") return `w${next.count++}.`;
  if (Array.isArray(shape)) return shape.map((below) => numbered(below, next));
  return Object.fromEntries(
    Object.values(shape as object).map((below) => [`k${next.count++}.`, numbered(below, next)]),
  );
}

const styles = fc.record({
  collectionStyle: fc.constantFrom("any", "block", "flow"),
  defaultStringType: fc.constantFrom("PLAIN", "QUOTE_DOUBLE", "QUOTE_SINGLE", "BLOCK_LITERAL", "BLOCK_FOLDED"),
  defaultKeyType: fc.constantFrom("PLAIN", "QUOTE_DOUBLE"),
  indent: fc.integer({ min: 1, max: 6 }),
  flowCollectionPadding: fc.boolean(),
} as const);

describe("the place of a value or key", () => {
  it("is where the text has it, however the document is written", () => {
    fc.assert(
      fc.property(tree, styles, (shape, style) => {
        const value = numbered(shape);
        const text = `# a comment\n\n${stringify(value, style)}`;
        const document = documentOf(text);
        expect(document.value).toEqual(style.defaultStringType.startsWith("BLOCK") ? expect.anything() : value);
        for (const { path, word, isKey } of words(value)) {
          const before = text.slice(0, text.indexOf(word)).split("\n");
          const expected = { line: before.length, column: before.at(-1)!.length + 1 };
          // A key's place is that of its quotes, a text's that of its first character.
          if (isKey) expected.column -= style.defaultKeyType === "QUOTE_DOUBLE" ? 1 : 0;
          const found = isKey ? document.problem("x", "", path, { pointsAt: "key" }).where : document.where(path);
          expect({ word, line: found.line, column: found.column }).toEqual({ word, ...expected });
        }
      }),
      { numRuns: 150 },
    );
  });

  it("counts characters of a text through quotes, escapes and folded lines", () => {
    const text = [
      "a: >-",
      "  one two",
      "  three",
      "b: 'it''s here'",
      'c: "a\\"b here"',
      "d: |",
      "  one",
      "  here",
    ].join("\n");
    const document = documentOf(text);
    const place = (path: Path, word: string) => {
      const at = String((document.value as Record<string, string>)[String(path[0])]).indexOf(word);
      const { line, column } = document.problem("x", "", path, { at }).where;
      return text.split("\n")[line - 1]!.slice(column - 1);
    };
    expect(place(["a"], "three")).toBe("three");
    expect(place(["b"], "here")).toBe("here'");
    expect(place(["c"], "here")).toBe('here"');
    expect(place(["d"], "here")).toBe("here");
  });

  it("is that of what there is, when a path leads further than the document", () => {
    const document = documentOf("a:\n  - b: 1\n");
    expect(document.where(["a", 0, "c", "d"])).toMatchObject({ line: 2, column: 5 });
    expect(document.where(["a", 7])).toMatchObject({ line: 2, column: 3 });
    expect(documentOf("").where(["a"])).toMatchObject({ line: 1, column: 1 });
  });

  it("of a key is that of the element, in a list", () => {
    expect(documentOf("a: [1, 2]").problem("x", "", ["a", 1], { pointsAt: "key" }).where).toMatchObject({
      line: 1,
      column: 8,
    });
  });
});
