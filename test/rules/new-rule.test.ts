import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { diagnose, lintPacks, loadPacks, newRule, testPacks } from "../../src/rules/index.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { packText, soundRule } from "./pack-texts.ts";

const folder = temporaryFolder();
let runs = 0;
let place: string;
beforeEach(() => {
  place = join(folder, `${runs++}`);
  mkdirSync(place);
});
const at = (name: string) => join(place, name);
const text = (name: string) => readFileSync(at(name), "utf8");

const pack = `# our pack
pack: {id: ours, version: "1.0.0", title: ours,   owner: me}   # all of us
rules:
- id: first     # the first
  status: test
  severity:   low
  summary: something
  when: [ "true" ]
  verdict: suspect
  title: something happened
  culprit: {kind: driver,name: x.sys}
  advice: do something
# that was it
`;

describe("a new rule", () => {
  it("makes a pack that is sound and whose tests pass, each of them showing something, with one thing to do", () => {
    expect(newRule("acme-bad-address", at("acme.yaml"))).toMatchObject({ pack: "acme", added: false });
    expect(lintPacks([at("acme.yaml")]).problems).toEqual([]);
    const run = testPacks([at("acme.yaml")]);
    expect(run).toMatchObject({ passed: true, problems: [] });
    const [{ cases, coverage }] = run.packs as [(typeof run.packs)[0]];
    expect(cases.map(({ passed, todo }) => [passed, todo === null])).toEqual([
      [true, true],
      [true, true],
      [true, true],
      [false, false],
    ]);
    expect(coverage).toMatchObject([{ fires: 1, quiet: 2, status: "draft" }]);
    expect(coverage[0]!.conditions.map(({ decides }) => decides)).toEqual([1, 1]);
  });

  it("is a draft: nobody asks it", () => {
    newRule("acme-bad-address", at("acme.yaml"));
    expect(diagnose({} as never, loadPacks([at("acme.yaml")]))).toEqual({ findings: [], skipped: [], arm: [] });
  });

  it("is added to a pack that is there, and to its tests, which stay as they were written", () => {
    const tests = "cases:\n    # the only one\n    - {name: a,  rule: first, facts: {}, expect: fire}\n";
    writeFileSync(at("ours.yaml"), pack);
    writeFileSync(at("ours.test.yaml"), tests);
    expect(newRule("second-rule", at("ours.yaml"))).toMatchObject({ pack: "ours", added: true });
    const [start] = pack.split("# that was it");
    expect(text("ours.yaml").startsWith(start!)).toBe(true);
    expect(text("ours.yaml").endsWith("\n# that was it\n")).toBe(true);
    expect(text("ours.test.yaml").startsWith(tests)).toBe(true);
    expect(loadPacks([at("ours.yaml")])[0]!.rules.map(({ id }) => id)).toEqual(["first", "second-rule"]);
    expect(testPacks([at("ours.yaml")])).toMatchObject({ passed: true, packs: [{ cases: { length: 5 } }] });
  });

  it("begins the tests of a pack that has none", () => {
    writeFileSync(at("ours.yaml"), pack);
    newRule("second-rule", at("ours.yaml"));
    expect(testPacks([at("ours.yaml")])).toMatchObject({ passed: true, packs: [{ cases: { length: 4 } }] });
  });

  it("names the pack after its file, or after the rule where a file's name cannot be a pack's", () => {
    expect(newRule("one", at("Team Rules.yaml")).pack).toBe("one");
    expect(newRule("two", at("team.yaml")).pack).toBe("team");
  });

  const refused: Readonly<
    Record<string, readonly [code: string, id: string, file: string, written?: Record<string, string>]>
  > = {
    "an id that cannot be": ["usage/rule-id", "Bad_Id", "p.yaml"],
    "a pack of another name": ["usage/pack-name", "one", "p.yml"],
    "the tests for a pack": ["usage/pack-name", "one", "p.test.yaml"],
    "an id that is taken": ["usage/rule-exists", "first", "p.yaml", { "p.yaml": pack }],
    "tests without a pack": ["usage/exists", "one", "p.yaml", { "p.test.yaml": "cases: []\n" }],
    "a pack with something wrong in it": [
      "rules/shape",
      "one",
      "p.yaml",
      { "p.yaml": pack.replace("suspect", "sure") },
    ],
    "a pack that is written in brackets": ["rules/no-list", "one", "p.yaml", { "p.yaml": packText(soundRule) }],
    "tests that are written in brackets": [
      "rules/no-list",
      "one",
      "p.yaml",
      { "p.yaml": pack, "p.test.yaml": "cases: [{name: a, rule: first, facts: {}, expect: fire}]\n" },
    ],
  };

  it.each(Object.entries(refused))("is refused for %s, and nothing is written", (_, [code, id, file, written = {}]) => {
    for (const [name, content] of Object.entries(written)) writeFileSync(at(name), content);
    expect(() => newRule(id, at(file))).toThrow(expect.objectContaining({ code }));
    expect(Object.fromEntries(readdirSync(place).map((name) => [name, text(name)]))).toEqual(written);
  });

  it("is refused where the folder is not there", () => {
    expect(() => newRule("one", at("nowhere/p.yaml"))).toThrow(/ENOENT/);
    expect(existsSync(at("nowhere"))).toBe(false);
  });
});
