import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { listOf, withEntry } from "../../src/document/index.ts";

const entry = "name: more\n# why\nfacts:\n  crash: {title: boom}\n\nexpect: fire\n";

/** Texts as people write them, each with a list `cases` that has no entry `more` yet. */
const texts: Readonly<Record<string, string>> = {
  plain: "cases:\n  - name: one\n  - name: two\n",
  "not indented": "cases:\n- name: one\n",
  "indented far, in uneven columns": "cases:\n      -   name:   one     # which\n          facts:  {a:    1}\n",
  "with comments everywhere": "# top\ncases: # all\n  # first\n  - name: one # here\n  # last\n\n# end\n",
  "followed by other keys": "cases:\n  - name: one\nother:\n  - name: x\n",
  "without a line break at its end": "cases:\n  - name: one",
  "ending in a text of many lines": "cases:\n  - name: |\n      one\n      two\n\nother: 1\n",
  "ending in a folded text": "cases:\n  - name: >-\n      one\n      two\n",
  "ending in a list": "cases:\n  - name: one\n    list:\n      - a\n      - b\nother: 1\n",
  "with entries in brackets": "cases:\n  - {name: one, facts: {a: [1,\n      2]}}   # so\n",
  "with lines of Windows": "cases:\r\n  - name: one\r\n    more: 1\r\nother: 1\r\n",
  "behind a list of the same name further in": "other:\n  cases:\n    - x\ncases:\n  - name: one\n",
};

describe("an entry is added to a list in a text", () => {
  it.each(Object.entries(texts))("%s", (_, text) => {
    const after = withEntry(text, "cases", entry)!;
    const [before, now] = [parse(text), parse(after)] as { cases: unknown[] }[];
    expect(now).toEqual({
      ...before,
      cases: [...before!.cases, { name: "more", facts: { crash: { title: "boom" } }, expect: "fire" }],
    });
    // Without what was put in, it is the text that was there, in every space.
    const newline = text.includes("\r\n") ? "\r\n" : "\n";
    const from = after.search(/\r?\n *- +name: more/);
    const to = after.indexOf("expect: fire") + `expect: fire${newline}`.length;
    expect(after.slice(0, from) + after.slice(to)).toBe(text.endsWith("\n") ? text : `${text}\n`);
    expect(after.slice(from, to).split(newline)).toHaveLength(8);
  });

  it("twice, one behind the other", () => {
    const first = listOf("cases", "name: one\nfacts: {}\n");
    expect(first).toBe("cases:\n  - name: one\n    facts: {}\n");
    expect(withEntry(withEntry(first, "cases", "name: two")!, "cases", "name: three")).toBe(
      `${first}\n  - name: two\n\n  - name: three\n`,
    );
  });

  it.each([
    "cases: [{name: one}]\n",
    '{"cases": [{"name": "one"}]}',
    "cases:\n",
    "case:\n  - name: one\n",
    "- name: one\n",
    "",
  ])("not where there is none that could take it: %j", (text) => {
    expect(withEntry(text, "cases", entry)).toBeNull();
  });
});
