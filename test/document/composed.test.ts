import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { shippedPacks } from "../../src/rules/index.ts";
import { fixture } from "../stopcode.ts";
import { documentOf } from "./documents.ts";

const files = [shippedPacks, fixture("scenarios")].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => join(folder, name)),
);

it.each(files)("%s holds what the library makes of it, measured and composed in one pass", (file) => {
  const text = readFileSync(file, "utf8");
  expect(documentOf(text).value).toEqual(parse(text));
});

it.each([
  ["an empty text", "", null],
  ["a comment alone", "# nothing\n", null],
  ["a document with its marks", "---\na: 1\n...\n", { a: 1 }],
  ["block texts", "a: |\n  one\n  two\nb: >-\n  one\n  two\n", { a: "one\ntwo\n", b: "one two" }],
  ["line ends of Windows", "a: 1\r\nb: [2,\r\n 3]\r\n", { a: 1, b: [2, 3] }],
])("%s is a document too", (_, text, value) => {
  expect(documentOf(text).value).toEqual(value);
  expect(parse(text)).toEqual(value);
});
