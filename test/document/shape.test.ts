import { describe, expect, it } from "vitest";
import { z } from "zod";
import { checkShape, problemText, refusal } from "../../src/document/index.ts";
import { brief, documentOf, problemsOf } from "./documents.ts";

const animal = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("dog"),
    options: z.strictObject({ barks: z.int().min(2).max(9) }).prefault({ barks: 2 }),
  }),
  z.strictObject({
    kind: z.literal("fish"),
    options: z.strictObject({ depth: z.int().multipleOf(5).default(10) }).prefault({}),
  }),
  z.strictObject({ kind: z.literal("stone"), options: z.strictObject({}).optional() }),
]);

const zoo = z.strictObject({
  title: z.string().min(1).max(8),
  food: z.enum(["hay", "meat"]).default("hay"),
  open: z.boolean().nullable().optional(),
  keepers: z
    .record(z.string().regex(/^[A-Z]/, "a keeper has a capital"), z.strictObject({ age: z.number() }))
    .default({}),
  place: z.union([z.string(), z.array(z.string())]).optional(),
  animals: z.array(animal).default([]),
});

describe("a document that does not have its shape", () => {
  it.each([
    [
      "a key with a slip of the hand",
      "title: x\nfoot: hay",
      ["2:1 the key `foot` is not known here (did you mean `food`?)"],
    ],
    [
      "a key that resembles none",
      "title: x\nzzz: 1",
      [expect.stringContaining("(it has: title, food, open, keepers, place, animals)")],
    ],
    [
      "a needed key with a slip of the hand is told once",
      "titel: x",
      ["1:1 the key `titel` is not known here (did you mean `title`?)"],
    ],
    [
      "a value that is wrong beside a key that nearly has its name",
      "titel: x\ntitle: 5",
      [
        "1:1 the key `titel` is not known here (did you mean `title`?)",
        "2:8 this should be a text (quote it if it looks like a number)",
      ],
    ],
    [
      "a key of the alternative that was chosen",
      "title: x\nanimals:\n  - {kind: fish, options: {deph: 5}}",
      ["3:28 the key `deph` is not known here (did you mean `depth`?)"],
    ],
    [
      "a key of an alternative that was not",
      "title: x\nanimals:\n  - {kind: fish, options: {barks: 5}}",
      ["3:28 the key `barks` is not known here (it has: depth)"],
    ],
    [
      "a key where none may be",
      "title: x\nanimals:\n  - {kind: stone, options: {barks: 5}}",
      ["3:29 the key `barks` is not known here (it has: no keys at all)"],
    ],
    [
      "an alternative that there is not",
      "title: x\nanimals:\n  - {kind: fisch}",
      ["3:12 this should be one of dog, fish, stone (did you mean `fish`?)"],
    ],
    ["no alternative chosen", "title: x\nanimals:\n  - {options: {}}", ["3:5 `kind` is missing here"]],
    [
      "a key below a name of one's own",
      "title: x\nkeepers: {Ann: {agee: 5, age: 5}}",
      ["2:17 the key `agee` is not known here (did you mean `age`?)"],
    ],
    ["a name of one's own that is none", "title: x\nkeepers: {ann: {age: 5}}", ["2:11 a keeper has a capital"]],
    ["a missing key", "food: hay", ["1:1 `title` is missing here"]],
    [
      "a value that there is not",
      "title: x\nfood: meet",
      ["2:7 this should be one of hay, meat (did you mean `meat`?)"],
    ],
    ["a text too long", "title: xxxxxxxxx", ["1:8 this is too long: at most 8"]],
    ["a text too short", "title: ''", [expect.stringContaining("this should not be empty")]],
    [
      "a number too small",
      "title: x\nanimals: [{kind: dog, options: {barks: 1}}]",
      ["2:40 this is too small: at least 2"],
    ],
    [
      "a number too large",
      "title: x\nanimals: [{kind: dog, options: {barks: 10}}]",
      ["2:40 this is too large: at most 9"],
    ],
    [
      "no whole number",
      "title: x\nanimals: [{kind: dog, options: {barks: 2.5}}]",
      ["2:40 this should be a whole number"],
    ],
    [
      "a number between",
      "title: x\nanimals: [{kind: fish, options: {depth: 7}}]",
      ["2:41 this should be a multiple of 5"],
    ],
    ["a word for yes or no", "title: x\nopen: maybe", ["2:7 this should be true or false"]],
    [
      "neither of two",
      "title: x\nplace: 5",
      ["2:8 this should be a text (quote it if it looks like a number), or this should be a list"],
    ],
    ["a list", "- 1", ["1:1 this should be a map of keys and values"]],
    ["nothing", "", ["1:1 this should be a map of keys and values"]],
    [
      "several mistakes, in the order of the file",
      "animals: 1\nfood: 2\nzzz: 3",
      [
        expect.stringMatching(/^1:1 `title`/),
        expect.stringMatching(/^1:10 .* a list$/),
        expect.stringMatching(/^2:7/),
        expect.stringMatching(/^3:1/),
      ],
    ],
  ])("%s", (_, text, expected) => {
    expect(problemsOf(text, zoo).map(brief)).toEqual(expected);
  });

  it("has the code of its kind", () => {
    expect(problemsOf("foot: 1\nfood: meet", zoo).map(({ code }) => code)).toEqual([
      "letters/unknown-key",
      "letters/missing-key",
      "letters/shape",
    ]);
    expect(problemsOf("a: [", zoo)[0]!.code).toBe("letters/yaml");
  });

  it("may be a part of a document, whose places are those of the whole", () => {
    const document = documentOf("a:\n  b: {title: x, foot: 1}");
    const checked = checkShape(document, zoo, (document.value as { a: { b: unknown } }).a.b, ["a", "b"]);
    expect("problems" in checked && checked.problems.map(brief)).toEqual([
      "2:17 the key `foot` is not known here (did you mean `food`?)",
    ]);
  });

  it("is handed out with its defaults when it has its shape", () => {
    const checked = checkShape(documentOf("title: x\nanimals: [{kind: fish}]"), zoo);
    expect("value" in checked && checked.value.animals).toEqual([{ kind: "fish", options: { depth: 10 } }]);
  });
});

describe("a problem as a person reads it", () => {
  const problems = problemsOf("title: x\nanimals:\n\t\n  - {kind: fish, \toptions: {deph: 5}}\nzzz: 1", zoo);

  it("shows the line with a caret below the column, and tabs as tabs", () => {
    expect(problemText(problems[0]!).split("\n")).toEqual([
      "d.yaml:4:29: the key `deph` is not known here",
      "  4 |   - {kind: fish, \toptions: {deph: 5}}",
      "    |                  \t          ^",
      "  hint: did you mean `depth`?",
    ]);
  });

  it("becomes an error whose first line is whole without the others", () => {
    const [first, ...others] = problems;
    const error = refusal([first!, ...others], "read the manual");
    expect(error).toMatchObject({ code: "letters/unknown-key", exitCode: 3, hint: "did you mean `depth`?" });
    expect(error.where).toEqual({ file: "d.yaml", line: 4, column: 29 });
    expect(error.message.split("\n")).toEqual([
      "the key `deph` is not known here",
      "  4 |   - {kind: fish, \toptions: {deph: 5}}",
      "    |                  \t          ^",
      "  (and 1 more)",
    ]);
    expect(refusal([{ ...first!, hint: null }], "read the manual").hint).toBe("read the manual");
  });
});
