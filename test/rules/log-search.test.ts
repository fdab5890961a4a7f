import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, it } from "vitest";
import { LiteralSearch } from "../../src/rules/literal-search.ts";
import { searchLog } from "../../src/rules/log-search.ts";
import { RegularExpression } from "../../src/rules/regular-expression.ts";
import { sharedData, withPeers } from "../peers.ts";

interface Asked {
  readonly match: string;
  readonly unless?: string;
}

/** Where each pattern is first met, and what it captures there: as the rules find it. */
function found(asked: readonly Asked[], texts: readonly string[]) {
  const rules = asked.map(({ match, unless }) => ({
    pack: "pack",
    log: [{ match: new RegularExpression(match), unless: unless === undefined ? null : new RegularExpression(unless) }],
  }));
  const answers = searchLog(
    texts.map((text) => ({ text })),
    rules,
  );
  return [...answers.values()].flat().map((answer) => {
    if (answer.kind !== "found") return answer.kind;
    return { line: answer.line.line, captures: { ...answer.captures } };
  });
}

/** The same without any thought: every pattern on every line, from the first on. */
function foundSlowly(asked: readonly Asked[], texts: readonly string[]) {
  return asked.map(({ match, unless }) => {
    const wanted = RE2JS.compile(match);
    const unwanted = unless === undefined ? null : RE2JS.compile(unless);
    const at = texts.findIndex((text) => wanted.matcher(text).find() && !unwanted?.matcher(text).find());
    if (at < 0) return "absent";
    const matcher = wanted.matcher(texts[at]!);
    matcher.find();
    return { line: at + 1, captures: { ...matcher.getNamedGroups() } };
  });
}

describe("looking for many texts at once", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "s", "k"), minLength: 1, maxLength: 5 });
  // Capitals, letters whose other case is ASCII, halves of pairs, and others that are in no text.
  const line = fc.string({
    unit: fc.constantFrom("a", "b", "s", "k", "A", "é", "ſ", "K", "\ud83d", "漢", " "),
    maxLength: 40,
  });

  it("finds each wherever it stands, in whatever case", () => {
    fc.assert(
      fc.property(fc.uniqueArray(letters, { minLength: 1, maxLength: 20 }), line, (literals, text) => {
        const seen: number[] = [];
        new LiteralSearch(literals).scan(text, (literal) => seen.push(literal));
        const folded = text.toLowerCase().replaceAll("ſ", "s");
        const places = (literal: string) =>
          Array.from({ length: text.length }, (_, at) => at).filter((at) => folded.startsWith(literal, at)).length;
        expect(literals.map((_, at) => seen.filter((one) => one === at).length)).toEqual(literals.map(places));
      }),
      { numRuns: 500 },
    );
  });
});

describe("a log is searched by literals as if every pattern were tried on every line", () => {
  const word = fc.constantFrom("abc", "bcd", "cab", "dab", "abcab", "bb", "a", "é", "ABC", "dabcab", "ask");
  const piece = fc.oneof(
    { weight: 6, arbitrary: word },
    fc.constantFrom("[abc]", "[Aa]bc", "\\w", ".", "\\s", "[^a]", "\\b", "x*", "b+?", "(?i:ab)", "(?:)", "\\x61bc"),
  );
  const { pattern } = fc.letrec<{ pattern: string; group: string; part: string }>((tie) => ({
    pattern: fc
      .tuple(
        fc.constantFrom("", "", "^", "(?i)"),
        fc.array(tie("part"), { minLength: 1, maxLength: 4 }),
        fc.constantFrom("", "", "$"),
      )
      .map(([first, parts, last]) => first + parts.join("") + last),
    part: fc.oneof({ maxDepth: 2, depthSize: "small" }, { weight: 3, arbitrary: piece }, tie("group")),
    group: fc
      .tuple(
        fc.array(tie("part"), { minLength: 1, maxLength: 3 }),
        fc.constantFrom("", "", "?", "*", "+", "{2}", "{0,2}", "{1,3}"),
      )
      .map(([parts, count]) => `(?:${parts.join("|")})${count}`),
  }));
  const captured = fc.tuple(pattern, fc.boolean()).map(([text, capture]) => (capture ? `(?P<whole>${text})` : text));
  const asked = fc.record({ match: captured, unless: pattern }, { requiredKeys: ["match"] });
  const line = fc
    .array(fc.oneof(word, fc.constantFrom(" ", "d", "x", "aſk", "aSK", "aBC", "\ud83d")), { maxLength: 8 })
    .map((parts) => parts.join(""));

  it("for random patterns and logs", () => {
    let met = 0;
    fc.assert(
      fc.property(
        fc.array(asked, { minLength: 1, maxLength: 8 }),
        fc.array(line, { maxLength: 20 }),
        (patterns, texts) => {
          const answers = found(patterns, texts);
          expect(answers).toEqual(foundSlowly(patterns, texts));
          met += answers.filter((answer) => typeof answer === "object").length;
        },
      ),
      { numRuns: 500 },
    );
    expect(met).toBeGreaterThan(250);
  });

  withPeers({ data: "syzkaller/linux" }).it("for patterns made of the lines of real logs, on these logs", () => {
    const folder = sharedData("syzkaller/linux");
    const names = readdirSync(folder).filter((_, at) => at % 3 === 0);
    const texts = names.flatMap((name) => readFileSync(join(folder, name), "utf8").split(/\r*\n/));
    const tellLines = texts.filter((text) => /^[ -~]{30,120}$/.test(text));
    const patterns = tellLines
      .filter((_, at) => at % Math.ceil(tellLines.length / 80) === 0)
      .map((text) => ({ match: generalized(text) }));
    const answers = found(patterns, texts);
    expect(answers).toEqual(foundSlowly(patterns, texts));
    expect(answers.filter((answer) => typeof answer === "object")).toHaveLength(patterns.length);
  });
});

/** A line as a pattern: its words written out, its numbers and addresses open, its time left out. */
const generalized = (line: string): string =>
  line
    .replace(/^\[ *[\d.]+\](\[ *\w+\])?/, "")
    .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
    .replace(/0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+/g, "[0-9a-fx]+");
