import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { differenceText, type PackTestRun, testPacks } from "../../src/rules/index.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { packText, soundRule } from "./pack-texts.ts";

const folder = temporaryFolder();
let runs = 0;

/** Writes a pack of rules with tests beside it, and runs them. */
function run(
  rules: object[],
  cases: object[] | string | null,
  more: Record<string, string> = {},
  only?: string,
): PackTestRun {
  const place = join(folder, `${runs++}`);
  mkdirSync(place);
  const pack = join(place, "p.yaml");
  writeFileSync(pack, packText(...rules.map((rule) => ({ ...soundRule, ...rule }))));
  if (cases !== null) {
    writeFileSync(join(place, "p.test.yaml"), typeof cases === "string" ? cases : JSON.stringify({ cases }, null, 1));
  }
  for (const [name, text] of Object.entries(more)) writeFileSync(join(place, name), text);
  return testPacks([pack], { only });
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
    expect(result.packs[0]!.coverage).toMatchObject([
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
    [
      { ...quiet, expect: "fire" },
      "expect",
      "fire",
      `quiet: this does not hold: crash.title == 'boom', where crash.title is "calm"`,
    ],
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

describe("a case that is known not to hold yet", () => {
  const todo = "the title is not worked out yet";

  it("is run and reported, and fails nothing; one that holds is told apart by having passed", () => {
    const result = run([onTitle], [fires, quiet, { ...fires, title: "bang", todo }, { ...quiet, name: "done", todo }]);
    expect(result.passed).toBe(true);
    expect(result.packs[0]!.cases.map(({ passed, todo: why }) => [passed, why])).toEqual([
      [true, null],
      [true, null],
      [false, todo],
      [true, todo],
    ]);
    expect(result.packs[0]!.cases[2]!.differences).toEqual([
      { what: "title", expected: "bang", actual: "it went boom" },
    ]);
  });

  it("does not excuse one that is known to hold", () => {
    expect(run([onTitle], [{ ...fires, title: "bang" }, quiet, { ...fires, todo }]).passed).toBe(false);
  });
});

describe("a run of some cases", () => {
  const cases = [fires, quiet, { ...fires, name: "fires not", expect: "quiet" }];

  it("has those whose name, written `pack/rule: name`, has the text in it, and asks nothing else of the rules", () => {
    const result = run([onTitle], cases, {}, "Some-Pack/one-rule: QUIET");
    expect(result.packs[0]!.cases.map(({ name }) => name)).toEqual(["quiet"]);
    expect(result).toMatchObject({ passed: true, packs: [{ coverage: [] }] });
    expect(run([onTitle], cases, {}, "fires").passed).toBe(false);
  });

  it("is refused when it has none", () => {
    expect(() => run([onTitle], cases, {}, "nothing such")).toThrow(/no case has `nothing such` in its name/);
  });
});

describe("what cases show of a rule's conditions", () => {
  const when = ["crash.title == 'boom'", "os.family == 'linux'", "crash.panicked"];
  const facts = (title: string, family: string, panicked: boolean) => ({ crash: { title, panicked }, os: { family } });
  const cover = (...list: object[]) => {
    const cases = list.map((each, index) => ({ name: `${index}`, rule: "one-rule", facts: each, expect: "quiet" }));
    return run([{ ...onTitle, when }], cases).packs[0]!.coverage[0]!.conditions.map(({ unmet, decides }) => [
      unmet,
      decides,
    ]);
  };

  it("is in how many each was false, also behind one that was false already, and in how many it alone was", () => {
    expect(cover(facts("boom", "linux", true))).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
    expect(cover(facts("calm", "linux", false))).toEqual([
      [1, 0],
      [0, 0],
      [1, 0],
    ]);
    expect(cover(facts("calm", "linux", false), facts("boom", "linux", false))).toEqual([
      [1, 0],
      [0, 0],
      [2, 1],
    ]);
  });

  it("is nothing where a condition has no answer, and where the rule is skipped", () => {
    expect(cover({ crash: { title: "calm" } })).toEqual([
      [1, 1],
      [0, 0],
      [0, 0],
    ]);
    expect(cover({ os: { family: "linux" } })).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });
});

describe("a difference is shown as two lines with the words marked that only one has", () => {
  const shown = (expected: string, actual: string) => differenceText({ what: "title", expected, actual }).split("\n");

  it.each([
    ["12 of 16 PTEs", "12 of 20 PTEs", "12 of [-16-] PTEs", "12 of {+20+} PTEs"],
    ["a b c d", "a x y d", "a [-b c-] d", "a {+x y+} d"],
    ["leaked by x.sys", "leaked", "leaked[- by x.sys-]", "leaked"],
    ["two  spaces", "two spaces", "two[-  -]spaces", "two{+ +}spaces"],
    ["x.sys wrote", "nobody knows", "x.sys wrote", "nobody knows"],
    ["", "something", "", "something"],
  ])("%j, %j", (expected, actual, minus, plus) => {
    expect(shown(expected, actual)).toEqual(["title:", `  - ${minus}`, `  + ${plus}`]);
  });

  it("each of several lines beside the one at its place", () => {
    expect(shown("one\ntwo words\nthree", "one\nother words")).toEqual([
      "title:",
      "  - one",
      "  - [-two-] words",
      "  - [-three-]",
      "  + one",
      "  + {+other+} words",
    ]);
  });
});
