import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { testPacks, writeJUnit } from "../../src/rules/index.ts";
import { withPeers } from "../peers.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { packText, soundRule } from "./pack-texts.ts";

const folder = temporaryFolder();
const [pack, report] = [join(folder, "p.yaml"), join(folder, "report.xml")];

const rule = { ...soundRule, when: ["crash.title == 'boom'"], title: "it went {{crash.title}}", status: "stable" };
const fires = { name: "fires", rule: "one-rule", facts: { crash: { title: "boom" } }, expect: "fire" };
const cases = [
  fires,
  { ...fires, name: `<&>"' ]]> \u0001 \ud800 \u{1f4a5}`, title: "it went <b>\nbang" },
  { ...fires, name: "not yet", title: "bang", todo: 'waits for "a fact" & more' },
  { ...fires, name: "holds by now", todo: "nothing" },
];

/** What junitparser, which nobody here wrote, reads of the report: a line for each case. */
const reader = `
import sys
from junitparser import JUnitXml
for suite in JUnitXml.fromfile(sys.argv[1]):
    print(suite.name, suite.tests, suite.failures, suite.errors, suite.skipped)
    for case in suite:
        results = case.result if isinstance(case.result, list) else [case.result]
        print("|".join([case.classname, ascii(case.name)] + [f"{type(r).__name__} {r.type} {ascii(r.message)}" for r in results if r]))
`;

withPeers({ python: "junitparser" }).describe("the JUnit report, read by junitparser", () => {
  const read = () => spawnSync("/usr/bin/python3", ["-c", reader, report], { encoding: "utf8" });

  it("has a case for each case and one for what a rule lacks, whatever characters stand in them", () => {
    writeFileSync(pack, packText(rule));
    writeFileSync(join(folder, "p.test.yaml"), JSON.stringify({ cases }));
    writeJUnit(testPacks([pack]), report);
    const { stdout, stderr } = read();
    expect(stderr).toBe("");
    expect(stdout.trimEnd().split("\n")).toEqual([
      "some-pack 5 2 0 1",
      "some-pack.one-rule|'fires'",
      expect.stringMatching(
        /^some-pack\.one-rule\|'<&>"\\' \]\]> .ufffd .ufffd .U0001f4a5'\|Failure title '\/.*p\.test\.yaml:1:\d+'$/,
      ),
      "some-pack.one-rule|'not yet'|Skipped todo 'waits for \"a fact\" & more'",
      "some-pack.one-rule|'holds by now'",
      "some-pack.one-rule|'has a firing case and a quiet case'|Failure untested 'it has not a quiet case'",
    ]);
  });

  it("has an error for what could not be read", () => {
    writeFileSync(pack, packText({ ...rule, when: ["crash.titel == ''"] }));
    writeJUnit(testPacks([pack]), report);
    expect(read().stdout.split("\n")).toEqual([
      "unreadable 1 0 1 0",
      expect.stringMatching(/^rules\|'.*p\.yaml:\d+:\d+'\|Error rules\/expression 'there is no fact `crash\.titel`'$/),
      "",
    ]);
  });
});

describe("the JUnit report", () => {
  it("is the same bytes for the same answers, and has the difference in words", () => {
    writeFileSync(pack, packText(rule));
    writeFileSync(join(folder, "p.test.yaml"), JSON.stringify({ cases }));
    writeJUnit(testPacks([pack]), report);
    const first = readFileSync(report, "utf8");
    writeJUnit(testPacks([pack]), report);
    expect(readFileSync(report, "utf8")).toBe(first);
    expect(first).toContain("  - it went [-&lt;b&gt;-]\n  - [-bang-]\n  + it went {+boom+}");
  });
});
