import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { StopcodeError } from "../../src/binary/index.ts";
import { loadPacks, readPacks } from "../../src/rules/index.ts";
import { readPack } from "../../src/rules/pack.ts";
import { temporaryFolder } from "../seal/folder.ts";

/** A pack in block style, one thing a line, so that a place is easy to count: `change` edits it. */
const text = (change: (lines: string[]) => void = () => {}): string => {
  const lines = [
    "pack:", //                                                       1
    "  id: some-pack", //                                             2
    '  version: "1.0.0"', //                                          3
    "  title: a pack", //                                             4
    "  owner: me", //                                                 5
    "rules:", //                                                      6
    "  - id: one-rule", //                                            7
    "    status: stable", //                                          8
    "    severity: high", //                                          9
    "    summary: something", //                                     10
    "    requires: [crash.title]", //                                11
    "    when:", //                                                  12
    "      - crash.stack.exists(frame, frame.module == 'x.sys')", // 13
    "    verdict: suspect", //                                       14
    "    title: '{{crash.title}} happened'", //                      15
    "    culprit: {kind: driver, name: x.sys}", //                   16
    "    advice: do something", //                                   17
  ];
  change(lines);
  return lines.join("\n");
};
const line = (number: number, content: string) => (lines: string[]) => {
  lines[number - 1] = content;
};

const first = (source: string) => {
  const [problem] = readPack("p.yaml", source).problems;
  return problem === undefined
    ? null
    : { ...problem.where, code: problem.code, message: problem.message, hint: problem.hint };
};

describe("a pack with a mistake is refused with the place of the mistake", () => {
  it("reads the pack that the mistakes are put into", () => {
    expect(readPack("p.yaml", text()).problems).toEqual([]);
  });

  it.each([
    ["an unknown key", line(8, "    statsu: stable"), 8, 5, "rules/unknown-key", "did you mean `status`?"],
    [
      "an unknown key below a rule",
      line(16, "    culprit: {kind: driver, nam: x}"),
      16,
      29,
      "rules/unknown-key",
      "did you mean `name`?",
    ],
    ["a missing key", line(17, "    # nothing"), 7, 5, "rules/missing-key", null],
    ["an id with capitals", line(7, "  - id: One_Rule"), 7, 9, "rules/shape", null],
    ["a value of the wrong type", line(10, "    summary: 5"), 10, 14, "rules/shape", null],
    ["a list where a text belongs", line(17, "    advice: [a, b]"), 17, 13, "rules/shape", null],
    ["a verdict that there is not", line(14, "    verdict: guessed"), 14, 14, "rules/shape", null],
    [
      "a required fact that there is not",
      line(11, "    requires: [crash.titel]"),
      11,
      22,
      "rules/unknown-fact",
      "did you mean `title`?",
    ],
    [
      "a fact in a condition that there is not",
      line(13, "      - crash.titel == 'x'"),
      13,
      15,
      "rules/expression",
      "did you mean `title`?",
    ],
    [
      "a field in a loop that there is not",
      line(13, "      - crash.stack.exists(f, f.modul == 'x')"),
      13,
      33,
      "rules/expression",
      "did you mean `module`?",
    ],
    [
      "a name that is nothing",
      line(13, "      - crahs.title == 'x'"),
      13,
      9,
      "rules/expression",
      "did you mean `crash`?",
    ],
    [
      "a fact in a template that there is not",
      line(15, "    title: 'it is {{ crash.tytle }}'"),
      15,
      28,
      "rules/expression",
      "did you mean `title`?",
    ],
    ["a template that is not closed", line(15, "    title: 'it is {{ crash.title'"), 15, 19, "rules/expression", null],
    ["an expression cut short", line(13, "      - crash.title =="), 13, 23, "rules/expression", null],
    ["a condition that is no yes or no", line(13, "      - crash.title"), 13, 9, "rules/expression", null],
    [
      "a value that a fact never has",
      line(13, "      - os.family == 'win'"),
      13,
      22,
      "rules/expression",
      "it is one of windows, linux, hypervisor, unknown",
    ],
    ["a text compared with a number", line(13, "      - crash.title == 5"), 13, 9, "rules/expression", null],
    [
      "a function that there is not",
      line(13, "      - hexx('0x1') == 1"),
      13,
      9,
      "rules/expression",
      "did you mean `hex`?",
    ],
    ["two keys of one name", line(9, "    status: draft"), 9, 5, "rules/yaml", null],
    [
      "a check that nobody can arm",
      (lines: string[]) => lines.push("    arm: [{check: pte-traking}]"),
      18,
      19,
      "rules/shape",
      "did you mean `pte-tracking`?",
    ],
    [
      "a stage whose check the rule does not ask for",
      (lines: string[]) => lines.push('    procedure: {stopCode: "0x3f", check: pte-tracking}'),
      18,
      42,
      "rules/procedure",
      null,
    ],
  ] as const)("%s", (_, change, wantedLine, column, code, hint) => {
    expect(first(text(change))).toMatchObject({ file: "p.yaml", line: wantedLine, column, code, hint });
  });

  it.each([
    ["crash", "`crash` is the name of a fact"],
    ["int", "`int` cannot be a name: CEL has a use for it"],
    ["for", "`for` cannot be a name: CEL has a use for it"],
    ["Driver", "a name is a word such as `driver`"],
  ])("the name %s", (name, message) => {
    const named = text((lines) => lines.splice(11, 0, "    let:", `      ${name}: crash.title`));
    expect(first(named)).toMatchObject({ line: 13, message });
  });

  it("a name used before it is given, or twice for one loop variable", () => {
    const early = text((lines) => lines.splice(11, 0, "    let:", "      one: two", "      two: crash.title"));
    expect(first(early)).toMatchObject({ line: 13, column: 12, message: "there is no fact `two`" });
    const twice = text((lines) => {
      lines.splice(12, 1, "      - crash.stack.all(one, one.module == 'x')");
      lines.splice(11, 0, "    let:", "      one: crash.title");
    });
    expect(first(twice)).toMatchObject({ line: 15, message: "`one` already names something else" });
  });

  it("finds the place in folded, literal and quoted texts", () => {
    const folded = text((lines) =>
      lines.splice(12, 1, "      - >-", "        crash.title != 'x' &&", "        crash.titel != 'y'"),
    );
    expect(first(folded)).toMatchObject({ line: 15, column: 15 });
    const literal = text((lines) => lines.splice(14, 1, "    title: |", "      it is", "      {{crash.titel}}"));
    expect(first(literal)).toMatchObject({ line: 17, column: 15 });
    const double = text(line(13, '      - "crash.title != \\"x\\" && crash.titel != \\"y\\""'));
    expect(first(double)).toMatchObject({ line: 13, column: 40 });
    const single = text(line(13, "      - 'crash.title != ''x'' && crash.titel != ''y'''"));
    expect(first(single)).toMatchObject({ line: 13, column: 40 });
  });

  it("finds all mistakes at once, in the order of the file", () => {
    const wrong = text((lines) => {
      line(11, "    requires: [nope]")(lines);
      line(13, "      - nope == 1")(lines);
      line(15, "    title: '{{nope}}'")(lines);
    });
    expect(readPack("p.yaml", wrong).problems.map(({ where }) => where.line)).toEqual([11, 13, 15]);
  });
});

describe("loading packs", () => {
  const folder = temporaryFolder();
  const inner = temporaryFolder();
  const write = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  it("refuses a rule id that another pack has, and says where the other is", () => {
    const one = write("one.yaml", text());
    const two = write("two.yaml", text(line(2, "  id: other-pack")));
    const { packs, problems } = readPacks([one, two]);
    expect(packs.map(({ id }) => id)).toEqual(["some-pack"]);
    expect(problems).toMatchObject([{ code: "rules/duplicate", where: { file: two, line: 7, column: 9 } }]);
    expect(problems[0]!.message).toContain(`${one}:7:9`);
  });

  it("refuses a rule id that stands twice in one pack, and a pack id twice", () => {
    const twice = text((lines) => lines.push(...lines.slice(6)));
    expect(readPacks([write("twice.yaml", twice)]).problems).toMatchObject([{ where: { line: 18, column: 9 } }]);
    const [one, same] = [write("one.yaml", text()), write("same.yaml", text(line(7, "  - id: other-rule")))];
    expect(readPacks([one, same]).problems).toMatchObject([{ code: "rules/duplicate", where: { file: same } }]);
  });

  it("refuses a second stage for a stop code", () => {
    const stage = (id: string, rule: string) =>
      text((lines) => {
        line(2, `  id: ${id}`)(lines);
        line(7, `  - id: ${rule}`)(lines);
        lines.push("    arm: [{check: pte-tracking}]", '    procedure: {stopCode: "0x3f", check: pte-tracking}');
      });
    const files = [write("a.yaml", stage("a", "rule-a")), write("b.yaml", stage("b", "rule-b"))];
    expect(readPacks(files).problems.map(({ message }) => message)).toEqual([
      "the stage for 0x3f is already in the rule `rule-a`",
    ]);
  });

  it("reads a folder in the order of names, leaves tests of packs aside, and takes a file named twice once", () => {
    for (const [file, id] of [
      ["b.yaml", "bb"],
      ["a.yaml", "aa"],
      ["a.test.yaml", "tt"],
      ["notes.md", "nn"],
    ]) {
      const content = text((lines) => {
        line(2, `  id: ${id}`)(lines);
        line(7, `  - id: rule-${id}`)(lines);
      });
      writeFileSync(join(inner, file!), content);
    }
    expect(loadPacks([inner, join(inner, "a.yaml")]).map(({ id }) => id)).toEqual(["aa", "bb"]);
  });

  it("throws for the first mistake, with place, line and how many more there are", () => {
    const file = write(
      "wrong.yaml",
      text((lines) => {
        line(11, "    requires: [crash.titel]")(lines);
        line(13, "      - nope == 1")(lines);
      }),
    );
    expect(() => loadPacks([file])).toThrow(StopcodeError);
    try {
      loadPacks([file]);
    } catch (error) {
      expect(error).toMatchObject({ code: "rules/unknown-fact", where: { file, line: 11, column: 22 }, exitCode: 3 });
      expect((error as StopcodeError).message).toContain("requires: [crash.titel]");
      expect((error as StopcodeError).message).toContain("(and 1 more)");
    }
  });

  it("refuses a path that leads nowhere", () => {
    expect(() => loadPacks([join(folder, "nowhere")])).toThrow(expect.objectContaining({ code: "io/open" }));
  });
});
