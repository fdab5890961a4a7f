import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { analyze, type Facts } from "../../src/analysis/index.ts";
import { listOf } from "../../src/document/index.ts";
import { loadPacks, type Rule, recordCase, shippedPacks, testPacks } from "../../src/rules/index.ts";
import { readingOf } from "../../src/rules/reading.ts";
import { sharedData, withPeers } from "../peers.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { packOf, packText, soundRule } from "./pack-texts.ts";

const folder = temporaryFolder();
const rules = loadPacks().flatMap((pack) => pack.rules);
const factsFrom = (part: object) => part as unknown as Facts;

/** Records a case with a rule that is written out, and gives the text and what `rules test` says of it. */
function recorded(change: Readonly<Record<string, unknown>>, facts: object) {
  const rule = { ...soundRule, ...change };
  const { text } = recordCase(factsFrom(facts), packOf(rule).rules[0]!, "as it was", null);
  writeFileSync(join(folder, "p.yaml"), packText(rule));
  writeFileSync(join(folder, "p.test.yaml"), listOf("cases", text));
  const { passed, problems } = testPacks([join(folder, "p.yaml")]);
  expect(problems).toEqual([]);
  expect(passed).toBe(true);
  return parse(text) as Record<string, unknown>;
}

const modules = Array.from({ length: 150 }, (_, index) => ({
  name: `m${index}.sys`,
  path: `C:\\secret\\m${index}.sys`,
  base: `0x${((index + 1) * 0x1000).toString(16)}`,
  size: 4096,
}));
const stopCode = {
  code: "0xd1",
  parameters: [{ value: "0x18" }, { value: "0x2" }, { value: "0x1" }, { value: "0x64010" }],
};
const crash = { title: "BOOM", stopCode, stack: [{ via: "context", module: "m99.sys", address: "0x64010" }] };
const machine = { hostname: "hr-payroll-3" };

describe("a recorded case", () => {
  it("holds the facts that the rule read, and passes", () => {
    const change = {
      when: ["hex(crash.stopCode.code) == 0xd1"],
      title: "{{moduleAt(parameter(4))}} at {{parameter(2)}}",
    };
    expect(recorded(change, { machine, crash, modules })).toEqual({
      name: "as it was",
      rule: "one-rule",
      facts: {
        crash: { stopCode: { code: "0xd1", parameters: [{}, { value: "0x2" }, {}, { value: "0x64010" }] } },
        modules: [{ name: "m99.sys", base: "0x64000", size: 4096 }],
      },
      expect: "fire",
      verdict: "suspect",
      title: "m99.sys at 2",
      culprit: "x.sys",
    });
  });

  it("keeps what conditions compare, in all the rule says: evidence, bystander, what to arm", () => {
    const change = {
      when: ["driverOnStack() == 'm99.sys'"],
      bystander: { kind: "process", name: "{{crash.title}}" },
      evidence: [{ text: "at {{crash.stack[0].address}}" }, { text: "{{crash.function}}" }],
      arm: [{ check: "special-pool", target: "{{driverOnStack()}}" }, { check: "pte-tracking" }],
    };
    expect(recorded(change, { machine, crash, modules })).toMatchObject({
      facts: { crash: { title: "BOOM", stack: crash.stack } },
      bystander: "BOOM",
      evidence: ["at 0x64010"],
      arm: ["special-pool m99.sys", "pte-tracking"],
    });
  });

  it("leaves out the end of a list of which nothing was read", () => {
    const stack = ["ntoskrnl.exe", "x.sys", "y.sys", "z.sys"].map((module) => ({ via: "context", module }));
    expect(recorded({ when: ["driverOnStack() == 'x.sys'"] }, { crash: { ...crash, stack } })).toMatchObject({
      facts: { crash: { stack: stack.slice(0, 2) } },
    });
  });

  it("of a quiet rule holds what made it quiet, and of a skipped one what was missing", () => {
    expect(recorded({ when: ["crash.title == 'calm'", "machine.hostname != ''"] }, { machine, crash })).toEqual({
      name: "as it was",
      rule: "one-rule",
      facts: { crash: { title: "BOOM" } },
      expect: "quiet",
    });
    const missing = { requires: ["crash.stopCode.code", "log.records"], when: ["crash.title != ''"] };
    expect(recorded(missing, { machine, crash })).toEqual({
      name: "as it was",
      rule: "one-rule",
      facts: { crash: { stopCode: { code: "0xd1" } } },
      expect: "skip",
      missing: ["log.records"],
    });
  });

  it("keeps of a log of a hundred thousand lines the one that matters", () => {
    const records = Array.from({ length: 100_000 }, (_, seconds) => ({ seconds, text: `line ${seconds}` }));
    const change = { when: ["log.records.exists(r, r.text == 'line 70007')"] };
    expect(recorded(change, { log: { records, complete: true } })).toMatchObject({
      facts: { log: { records: [{ text: "line 70007" }] } },
    });
  });

  it("is written so that it is read as the same, whatever characters a dump holds", () => {
    const title = "0x10: 'a' #b\n- \"c\" {d} \u0007 \u{1f4a5} ";
    expect(
      recorded({ when: ["crash.title != ''"], title: "it is {{crash.title}}" }, { crash: { title } }).facts,
    ).toEqual({
      crash: { title },
    });
  });

  it("is added to tests that are there, which stay as they were written, and not a second time", () => {
    const file = join(folder, "there.test.yaml");
    const before = "# ours\ncases:\n  - {name: a,   rule: one-rule, facts: {}, expect: fire}   # so\n";
    writeFileSync(file, before);
    const rule = packOf(soundRule).rules[0]!;
    recordCase(factsFrom({}), rule, "as it was", file);
    expect(readFileSync(file, "utf8").startsWith(before)).toBe(true);
    expect(parse(readFileSync(file, "utf8"))).toMatchObject({ cases: [{ name: "a" }, { name: "as it was" }] });
    expect(() => recordCase(factsFrom({}), rule, "as it was", file)).toThrow(
      /there is a case of one-rule with this name/,
    );
    recordCase(factsFrom({}), rule, "as it was later", file);
    expect((parse(readFileSync(file, "utf8")) as { cases: [] }).cases).toHaveLength(3);
  });
});

/** What is kept makes the rule say the same, and is part of the facts there were. */
function checkReading(facts: Facts, rule: Rule): void {
  const reading = readingOf(facts, rule);
  expect(readingOf(factsFrom(reading.facts), rule).outcome).toEqual(reading.outcome);
  expect(JSON.stringify(reading.facts).length).toBeLessThanOrEqual(JSON.stringify(facts).length);
}

describe("what a rule of the packs that ship reads is enough for it", () => {
  const cases = readdirSync(shippedPacks)
    .filter((name) => name.endsWith(".test.yaml"))
    .flatMap((name) => (parse(readFileSync(join(shippedPacks, name), "utf8")) as { cases: { facts: object }[] }).cases)
    .map(({ facts }) => facts)
    .filter((facts) => typeof facts !== "string");

  it("in all cases of all packs", () => {
    for (const facts of cases) for (const rule of rules) checkReading(factsFrom(facts), rule);
  });

  for (const name of [
    "windows/rizin/triage_x64.dmp",
    "linux/qemu-oom-6.1cloud.elf.gz",
    "linux/mkdf-list-6.12.d31.kdump",
  ]) {
    withPeers({ data: name }).it(`in ${name}, in less than a page`, async () => {
      let file = sharedData(name);
      if (name.endsWith(".gz")) {
        writeFileSync(join(folder, "dump"), gunzipSync(readFileSync(file)));
        file = join(folder, "dump");
      }
      const facts = await analyze(file);
      for (const rule of rules) {
        checkReading(facts, rule);
        expect(recordCase(facts, rule, "real", null).text.split("\n").length).toBeLessThan(50);
      }
    });
  }
});
