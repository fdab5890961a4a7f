import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { differenceText, type PackTestRun, testPacks } from "../../src/rules/index.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { packText, soundRule } from "./pack-texts.ts";

const folder = temporaryFolder();
let runs = 0;

/** Writes a pack of rules with tests beside it, and runs them. */
function run(rules: object[], cases: object[] | string | null, more: Record<string, string> = {}): PackTestRun {
  const place = join(folder, `${runs++}`);
  mkdirSync(place);
  const pack = join(place, "p.yaml");
  writeFileSync(pack, packText(...rules.map((rule) => ({ ...soundRule, ...rule }))));
  if (cases !== null) {
    writeFileSync(join(place, "p.test.yaml"), typeof cases === "string" ? cases : JSON.stringify({ cases }, null, 1));
  }
  for (const [name, text] of Object.entries(more)) writeFileSync(join(place, name), text);
  return testPacks([pack]);
}

const onTitle = { when: ["crash.title == 'boom'"], title: "it went {{crash.title}}", status: "stable" };
const boom = { crash: { title: "boom" } };
const fires = { name: "fires", rule: "one-rule", facts: boom, expect: "fire" };
const quiet = { name: "quiet", rule: "one-rule", facts: { crash: { title: "calm" } }, expect: "quiet" };
const skips = { name: "skips", rule: "one-rule", facts: {}, expect: "skip", missing: ["crash"] };

describe("tests of packs", () => {
  it("pass when rules say what the cases expect, and count what each rule was seen doing", () => {
    const result = run(
      [onTitle],
      [{ ...fires, title: "it went boom", verdict: "suspect", culprit: "x.sys" }, quiet, skips],
    );
    expect(result.passed).toBe(true);
    expect(result.packs[0]!.coverage).toEqual([
      { rule: "one-rule", status: "stable", fires: 1, quiet: 1, skips: 1, lacks: [] },
    ]);
    expect(result.packs[0]!.cases.map(({ where }) => where.line)).toEqual([4, 17, 27]);
  });

  it.each([
    [{ ...fires, title: "it went bang" }, "title", "it went bang", "it went boom"],
    [{ ...fires, verdict: "identified" }, "verdict", "identified", "suspect"],
    [{ ...fires, culprit: "y.sys" }, "culprit", "y.sys", "x.sys"],
    [{ ...fires, advice: "nothing" }, "advice", "nothing", "do something"],
    [{ ...fires, bystander: "someone" }, "bystander", "someone", ""],
    [{ ...fires, evidence: ["a line"] }, "evidence", "a line", ""],
    [{ ...fires, arm: ["special-pool"] }, "arm", "special-pool", ""],
    [{ ...fires, expect: "quiet" }, "expect", "quiet", "fire: it went boom"],
    [{ ...quiet, expect: "fire" }, "expect", "fire", "quiet: this does not hold: crash.title == 'boom'"],
    [{ ...fires, facts: {} }, "expect", "fire", "skip: a fact it turned out to need is missing: crash"],
    [{ ...skips, missing: ["crash.title"] }, "missing", "crash.title", "crash"],
  ])("fail with the difference: %j", (wrong, what, expected, actual) => {
    const result = run([{ ...onTitle, status: "test" }], [wrong]);
    expect(result.passed).toBe(false);
    expect(result.packs[0]!.cases[0]!.differences).toEqual([{ what, expected, actual }]);
  });

  it("fail for a stable rule that no case shows firing or quiet, not for one in test", () => {
    expect(run([onTitle], [fires]).packs[0]!.coverage[0]!.lacks).toEqual(["a quiet case"]);
    expect(run([onTitle], [quiet]).packs[0]!.coverage[0]!.lacks).toEqual(["a firing case"]);
    expect(run([onTitle], null)).toMatchObject({
      passed: false,
      packs: [{ coverage: [{ lacks: ["a firing case", "a quiet case"] }] }],
    });
    expect(run([{ ...onTitle, status: "test" }], null).passed).toBe(true);
  });

  it("count what a rule did, not what the case hoped for", () => {
    expect(run([onTitle], [fires, { ...quiet, facts: boom }]).packs[0]!.coverage[0]).toMatchObject({
      fires: 2,
      quiet: 0,
    });
  });

  it("take facts from a file beside them", () => {
    const fromFile = { ...fires, facts: "boom.json" };
    expect(run([onTitle], [fromFile, quiet], { "boom.json": JSON.stringify(boom) }).passed).toBe(true);
    const wrong = run([onTitle], [fromFile, quiet], { "boom.json": '{\n "crash": {"titel": "boom"}\n}' });
    expect(wrong.problems).toMatchObject([
      { code: "rules/unknown-key", where: { line: 2, column: 12 }, hint: "did you mean `title`?" },
    ]);
  });

  it.each(["nowhere.json", ".", "/dev/zero"])("say where facts were looked for in vain: %s", (facts) => {
    expect(run([onTitle], [{ ...fires, facts }, quiet]).problems).toMatchObject([
      { code: "io/open", where: { line: 6, column: 14 } },
    ]);
  });

  it.each([
    ["cases:\n  - {name: a, rule: one-rul, facts: {}, expect: skip}", "rules/unknown-rule", 2, 21],
    ["cases:\n  - {name: a, rule: one-rule, facts: {crsh: {}}, expect: skip}", "rules/unknown-key", 2, 39],
    ["cases:\n  - {name: a, rule: one-rule, facts: {os: {family: dos}}, expect: skip}", "rules/shape", 2, 52],
    ["cases:\n  - {name: a, rule: one-rule, facts: {}, expects: skip}", "rules/unknown-key", 2, 42],
    ["cases: []", "rules/shape", 1, 8],
  ])("are refused with the place of a mistake in them: %j", (text, code, line, column) => {
    const { problems, passed } = run([onTitle], text);
    expect(passed).toBe(false);
    expect(problems).toMatchObject([{ code, where: { line, column } }]);
  });

  it("fail when the pack itself is refused", () => {
    expect(run([{ when: ["crash.titel == ''"] }], null)).toMatchObject({
      passed: false,
      packs: [],
      problems: [{ code: "rules/expression" }],
    });
  });
});

describe("a difference is shown as two lines and where they part", () => {
  it("in one line", () => {
    expect(differenceText({ what: "title", expected: "12 of 16 PTEs", actual: "12 of 20 PTEs" }).split("\n")).toEqual([
      "title:",
      "  - 12 of 16 PTEs",
      "  + 12 of 20 PTEs",
      "          ^",
    ]);
  });

  it("in one of several lines", () => {
    const expected = "one\ntwo\nthree";
    expect(differenceText({ what: "evidence", expected, actual: "one\ntoo" }).split("\n")).toEqual([
      "evidence:",
      "    one",
      "  - two",
      "  + too",
      "     ^",
      "  - three",
    ]);
  });
});
