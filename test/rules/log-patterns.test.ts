import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Facts } from "../../src/analysis/index.ts";
import { problemText } from "../../src/document/index.ts";
import { diagnose, explainRule, lintPacks, recordCase } from "../../src/rules/index.ts";
import { readPack } from "../../src/rules/pack.ts";
import { lintScreen } from "../../src/terminal/index.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { complaints, packOf, packText, soundRule } from "./pack-texts.ts";

const logOf = (...texts: string[]): NonNullable<Facts["log"]> => ({
  complete: true,
  records: texts.map((text, at) => ({ text, seconds: at })),
});

const factsOf = (log: Facts["log"]): Facts => ({ schema: "stopcode/facts/1", os: { family: "linux" }, log });

/** Conditions are left out: the patterns alone decide. */
const patternRule = (...log: { match: string; unless?: string }[]) => ({ log, when: undefined });

const disk = "I/O error, dev (?P<disk>\\w+), sector (?P<sector>\\d+)";

describe("a rule with log patterns", () => {
  it("fires with what the first line that matches captured, and points at that line", () => {
    const pack = packOf({ ...patternRule({ match: disk }), title: "{{disk}} failed at {{sector}}" });
    const facts = factsOf(logOf("boot", "I/O error, dev sda, sector 8 op 0x0", "I/O error, dev sdb, sector 9"));
    expect(diagnose(facts, [pack]).findings).toMatchObject([
      {
        title: "sda failed at 8",
        evidence: [{ text: "I/O error, dev sda, sector 8 op 0x0", log: { file: null, line: 2, seconds: 1 } }],
      },
    ]);
  });

  it("counts the lines of a record of several, and names the file that a log came from", () => {
    const pack = packOf(patternRule({ match: "third$" }));
    const log = { ...logOf("first\nsecond", "the third\nfourth"), file: "console.log" };
    const [finding] = diagnose(factsOf(log), [pack]).findings;
    expect(finding!.evidence).toEqual([{ text: "the third", log: { file: "console.log", line: 3, seconds: 1 } }]);
  });

  it("gives captures to conditions and names, as texts", () => {
    const rule = {
      ...patternRule({ match: disk }),
      let: { whole: '"/dev/" + disk' },
      title: "{{whole}}",
      when: ["disk.startsWith('sd')", "int(sector) > 7"],
    };
    const titles = (line: string) => diagnose(factsOf(logOf(line)), [packOf(rule)]).findings.map(({ title }) => title);
    expect(titles("I/O error, dev sda, sector 8")).toEqual(["/dev/sda"]);
    expect(titles("I/O error, dev sda, sector 7")).toEqual([]);
    expect(titles("I/O error, dev nvme0n1, sector 8")).toEqual([]);
  });

  it("lacks a capture that took no part", () => {
    const match = "in (?P<symbol>\\w+)(?: \\[(?P<module>\\w+)\\])?$";
    const rule = { ...patternRule({ match }), title: '{{present(module) ? module : "the kernel"}}' };
    const title = (line: string) => diagnose(factsOf(logOf(line)), [packOf(rule)]).findings[0]?.title;
    expect([title("in read [acme]"), title("in read")]).toEqual(["acme", "the kernel"]);
    const needs = packOf({ ...patternRule({ match }), title: "{{module}}" });
    expect(diagnose(factsOf(logOf("in read")), [needs]).skipped).toMatchObject([{ missing: ["module"] }]);
  });

  it("needs a line for each pattern, and passes over lines that `unless` names", () => {
    const pack = packOf(patternRule({ match: "error on", unless: "loop\\d" }, { match: "panic" }));
    const fires = (...texts: string[]) => diagnose(factsOf(logOf(...texts)), [pack]).findings.length === 1;
    expect(fires("error on sda", "panic")).toBe(true);
    expect(fires("panic", "error on sda")).toBe(true);
    expect(fires("error on loop0", "panic")).toBe(false);
    expect(fires("error on loop0", "error on sda", "panic")).toBe(true);
    expect(fires("error on sda")).toBe(false);
  });

  it("is skipped where the line may have been lost, unless something else settles it", () => {
    const pack = packOf({ ...patternRule({ match: "error on" }), when: ['os.family == "linux"'] });
    const ask = (facts: Facts) => diagnose(facts, [pack]);
    expect(ask(factsOf(null)).skipped).toMatchObject([{ missing: ["log"] }]);
    expect(ask(factsOf({ ...logOf("boot"), complete: false })).skipped).toMatchObject([{ missing: ["log.records"] }]);
    expect(ask(factsOf({ ...logOf("error on sda"), complete: false })).findings).toHaveLength(1);
    expect(ask({ ...factsOf(null), os: { family: "windows" } })).toMatchObject({ findings: [], skipped: [] });
  });

  it("shows the line without what would move a cursor", () => {
    const [finding] = diagnose(factsOf(logOf("error \u001b[2Jon")), [packOf(patternRule({ match: "error" }))]).findings;
    expect(finding!.evidence[0]!.text).toBe("error \ufffd[2Jon");
  });

  it("is explained pattern by pattern", () => {
    const pack = packOf(patternRule({ match: disk, unless: "loop" }, { match: "panic" }));
    const explain = (log: Facts["log"]) => explainRule(factsOf(log), pack.rules[0]!);
    const missing = explain(logOf("boot", "I/O error, dev sda, sector 8"));
    expect(missing).toMatchObject({ outcome: "quiet", reason: "no line of the log matches: panic" });
    expect(missing.log).toEqual([
      {
        ...{ match: disk, unless: "loop", result: "found", reason: null },
        line: { file: null, line: 2, text: "I/O error, dev sda, sector 8" },
        captures: [
          { name: "disk", text: "sda" },
          { name: "sector", text: "8" },
        ],
      },
      { match: "panic", unless: null, result: "not found", reason: null, line: null, captures: [] },
    ]);
    expect(explain(null).log).toMatchObject([
      { result: "unanswered", reason: "no fact log" },
      { result: "unanswered" },
    ]);
  });
});

describe("a case that is recorded of a rule with log patterns", () => {
  it("has the lines that matter, and neither the others nor the log's file", () => {
    const { rules } = packOf({ ...patternRule({ match: disk }, { match: "panic" }), title: "{{disk}} failed" });
    const lines = [...Array.from({ length: 50 }, (_, at) => `line ${at}`), "I/O error, dev sda, sector 8", "panic"];
    const facts = factsOf({ ...logOf(...lines), file: "/home/somebody/console.log" });
    expect(recordCase(facts, rules[0]!, "a disk", null).case).toMatchObject({
      facts: { log: { complete: true, records: [{ text: "I/O error, dev sda, sector 8" }, { text: "panic" }] } },
      expect: "fire",
      title: "sda failed",
    });
    expect(JSON.stringify(recordCase(facts, rules[0]!, "a disk", null))).not.toContain("somebody");
  });
});

describe("a pattern is refused where it stands", () => {
  const refusal = (pattern: string, key: "match" | "unless" = "match") => {
    const log = [{ match: "a text", [key]: pattern }];
    const { problems } = readPack("pack.yaml", packText({ ...soundRule, log }));
    return problems.map((problem) => ({ ...problem, at: problem.line.slice(problem.where.column - 1) }));
  };

  it.each([
    ["look-ahead", "panic(?=: oops)", "look-around is not allowed", "(?=: oops)"],
    ["negative look-ahead", "panic(?!: oops)", "look-around is not allowed", "(?!: oops)"],
    ["look-behind", "(?<=not )syncing", "look-around is not allowed", "(?<=not )syncing"],
    ["negative look-behind", "(?<!not )syncing", "look-around is not allowed", "(?<!not )syncing"],
    ["a back-reference by number", "(a+)-\\1", "back-references are not allowed", "\\\\1"],
    ["a back-reference by name", "(?P<x>a)-(?P=x)", "back-references are not allowed", "(?P=x)"],
    ["a back-reference of JavaScript", "(?<x>a)-\\k<x>", "back-references are not allowed", "\\\\k<x>"],
    ["an atomic group", "(?>a+)b", "invalid or unsupported Perl syntax: `(?>`", "(?>a+)b"],
    ["a possessive repetition", "ba++", "invalid nested repetition operator: `++`", "++"],
    ["a group that is not closed", "a(b", "missing closing ): `a(b`", "a(b"],
    ["a class that is not closed", "a[b", "missing closing ]: `[b`", "[b"],
    ["a counted repetition of a counted one", "(a{1000}){1000}", "it is too large to compile", "(a{1000}){1000}"],
    ["a repetition of thousands", "a{1001}", "invalid repeat count: `{1001}`", "{1001}"],
    ["a long alphabet many times", "\\pL{3}".repeat(20), "it is too large to compile", "\\\\pL"],
    ["a capture whose name is a fact", "(?P<crash>a)", "`crash` is the name of a fact", "crash>a)"],
    [
      "a capture with a name of CEL",
      "(?P<package>a)",
      "`package` cannot be a name: CEL has a use for it",
      "package>a)",
    ],
    ["a capture whose name is no word", "(?P<Disk_1>a)", "a capture's name is a word such as `driver`", "Disk_1>a)"],
    ["two lines", "a\nb", "a pattern is one line, as what it matches is", "\\nb"],
  ])("%s", (_, pattern, message, at) => {
    expect(refusal(pattern)).toMatchObject([{ message, at: expect.stringMatching(startsWith(at)) }]);
  });

  it("in `unless` as well", () => {
    expect(refusal("a(?!b)", "unless")).toMatchObject([{ message: "look-around is not allowed" }]);
  });

  it("with the line, the caret below the construct, and what to do instead", () => {
    const text = [
      "pack: {id: p, version: 1.0.0, title: t, owner: o}",
      "rules:",
      "  - {id: r, status: test, severity: high, summary: s, verdict: suspect, title: t, culprit: {kind: driver, name: x}, advice: a,",
      "     log: [{match: 'panic(?!: oops)'}]}",
    ].join("\n");
    expect(readPack("pack.yaml", text).problems.map(problemText)).toEqual([
      "pack.yaml:4:26: look-around is not allowed\n" +
        "  4 |      log: [{match: 'panic(?!: oops)'}]}\n" +
        "    |                          ^\n" +
        "  hint: RE2 has none, so that its time is linear: match the whole and capture a part, or name in `unless` what must not stand there",
    ]);
  });

  it("when a name stands for two things", () => {
    const twice = { log: [{ match: "(?P<disk>a)" }, { match: "(?P<disk>b)" }] };
    expect(complaints(packText({ ...soundRule, ...twice })).join()).toContain("`disk` is a name already");
    const named = { log: [{ match: "(?P<disk>a)" }], let: { disk: "'a'" } };
    expect(complaints(packText({ ...soundRule, ...named })).join()).toContain("`disk` is a name already");
  });

  it("when the pack's patterns together are too large to compile", () => {
    const rules = Array.from({ length: 90 }, (_, at) => ({
      ...soundRule,
      id: `rule-${at}`,
      log: [{ match: "ab.{900}" }],
    }));
    expect(complaints(packText(...rules.slice(0, 20)))).toEqual([]);
    expect(complaints(packText(...rules))).toEqual([
      expect.stringContaining("the pack's patterns up to here are too large together"),
    ]);
  });

  it("and a rule without any condition is", () => {
    expect(complaints(packText({ ...soundRule, when: undefined })).join()).toContain("`when` is missing here");
    expect(complaints(packText({ ...soundRule, when: [] })).join()).toContain("this should not be empty");
  });
});

describe("a pattern that every line is tried on", () => {
  const warnings = (match: string) => {
    const reading = readPack("pack.yaml", packText({ ...soundRule, log: [{ match }] }));
    return reading.pack === null ? ["refused"] : reading.warnings.map(({ hint }) => hint);
  };

  it.each(["EXT4-fs error", "(?:soft|hard) lockup", "[Ee]rror on", "(?i:k)ernel panic", "(?i)kernel panic"])(
    "is not %s",
    (match) => {
      expect(warnings(match)).toEqual([]);
    },
  );

  it.each([".*", "\\d+ errors?|warnings?|\\w+", "(?:panic)?", "ab", "\\w+: \\d+"])(
    "is %s, and is warned about",
    (match) => {
      expect(warnings(match)).toEqual([
        expect.stringMatching(/^write out a part of three letters or more that they have in common$/),
      ]);
    },
  );

  it("does not make `rules lint` refuse the pack, which says where it stands", () => {
    const file = join(temporaryFolder(), "slow.yaml");
    writeFileSync(file, packText({ ...soundRule, log: [{ match: "\\w+: \\d+" }] }));
    const lint = lintPacks([file]);
    expect([lint.packs.length, lint.problems]).toEqual([1, []]);
    expect(lint.warnings).toMatchObject([{ code: "rules/slow-pattern", where: { file, line: 26, column: 16 } }]);
    expect(lintScreen(lint)).toMatch(/slow +\S+slow\.yaml:26:16 +every line of every log is tried/);
  });
});

const startsWith = (text: string): RegExp => new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`);
