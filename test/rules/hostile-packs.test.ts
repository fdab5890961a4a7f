import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Facts } from "../../src/analysis/index.ts";
import { hostilePacks, outcomeOf } from "../../src/bench/hostile-packs.ts";
import { diagnose, shippedPacks } from "../../src/rules/index.ts";
import { readPack } from "../../src/rules/pack.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { complaints, packOf, packText, soundRule } from "./pack-texts.ts";

describe("a damaged pack", () => {
  const shipped = readFileSync(join(shippedPacks, "windows-core.yaml"), "utf8");
  const damage = fc.array(
    fc.record({
      at: fc.integer({ min: 0, max: shipped.length }),
      remove: fc.integer({ min: 0, max: 40 }),
      insert: fc.string({ unit: fc.constantFrom(..."{}[]:,-'\"|>&*!#?%@ \n\tabx01.()=".split("")), maxLength: 8 }),
    }),
    { minLength: 1, maxLength: 6 },
  );

  it("is read or refused, with places that exist, and never breaks the reader", () => {
    fc.assert(
      fc.property(damage, (changes) => {
        const text = changes.reduce(
          (old, { at, remove, insert }) => old.slice(0, at) + insert + old.slice(at + remove),
          shipped,
        );
        const { pack, problems } = readPack("pack.yaml", text);
        expect(pack === null).toBe(problems.length > 0);
        for (const { where, line } of problems) {
          expect(text.split("\n")[where.line - 1]!.startsWith(line)).toBe(true);
          expect(where.column).toBeLessThanOrEqual(text.split("\n")[where.line - 1]!.length + 1);
        }
      }),
      { numRuns: 120 },
    );
  });
});

describe("an expression may call and name only what is declared", () => {
  it.each([
    ["constructor", "there is no fact `constructor`"],
    ["crash.constructor.name == ''", "there is no fact `crash.constructor`"],
    ["crash.title.constructor == ''", "Cannot index type 'string'"],
    ["crash.__proto__ == ''", "there is no fact `crash.__proto__`"],
    ["os['constructor'] == ''", "No such key: constructor"],
    ["process.env == ''", "there is no fact `process`"],
    ["has(os)", "there is no function `has`"],
    ["dyn(os).x == 1", "there is no function `dyn`"],
    ["crash.title.matches('(a+)+$')", "there is no method `matches`"],
    ["cel.bind(x, 'a', x + x) == ''", "there is no method `bind`"],
    ["{'a': 1}['a'] == 1", '`{"a": 1}` uses a construct that rules do not have'],
    ["crash.title == null", "only texts, numbers, true and false may be written out"],
    [
      "processors.all(p, p.registers.all(q, [p].all(r, true)))",
      "loops run over a list of facts that is named here, or over values written out",
    ],
    [
      "processes.all(a, processes.all(b, processes.all(c, processes.all(d, true))))",
      "loops stand more than 3 deep in each other",
    ],
    ["processes.all(os, true)", "`os` already names something else"],
    ["x".repeat(2001), "this is too long: at most 2000"],
    [`${"(".repeat(300)}true${")".repeat(300)}`, "Exceeded maxDepth (32)"],
    [`${"!".repeat(1000)}true`, "Exceeded maxAstNodes (300)"],
    [`1 in [${"1,".repeat(100)}1]`, "Exceeded maxListElements (64)"],
  ])("%#: %.60s", (expression, complaint) => {
    expect(complaints(packText({ ...soundRule, when: [expression] })).join("\n")).toContain(complaint);
  });
});

describe("an evaluation ends, whatever it is asked", () => {
  const facts = {
    schema: "stopcode/facts/1",
    crash: { title: "t", alternativeTitles: [], stack: [] },
    processes: Array.from({ length: 2000 }, (_, pid) => ({ pid, name: `process ${pid}` })),
    modules: Array.from({ length: 2000 }, (_, at) => ({
      name: `m${at}`,
      base: `0x${(at + 1).toString(16)}000`,
      size: 4096,
    })),
    log: { complete: true, records: Array.from({ length: 20_000 }, (_, at) => ({ text: `line ${at}` })) },
  } satisfies Facts;

  it.each([
    [
      "loops in loops in loops",
      { when: ["processes.all(a, processes.all(b, processes.all(c, a.pid + b.pid + c.pid >= 0)))"] },
    ],
    ["loops that look something up", { when: ["processes.all(a, moduleAt(int(a.pid)) != 'x')"] }],
    [
      "a loop that swallows its own refusals",
      { when: ["processes.exists(a, processes.exists(b, processes.exists(c, moduleAt(0) == 'x')))"] },
    ],
    [
      "an alternative that hides the refusal",
      { when: ["processes.all(a, processes.all(b, a.pid >= 0)) || processes.all(a, processes.all(b, true))"] },
    ],
    ["an alternative that needs no facts at all", { when: ["processes.all(a, processes.all(b, a.pid >= 0)) || true"] }],
    ["texts joined without end", { when: ["join(log.records.map(r, r.text), '') == ''"] }],
    [
      "a text that doubles with every name",
      {
        let: Object.fromEntries([
          ["x0", "crash.title"],
          ...Array.from({ length: 60 }, (_, at) => [`x${at + 1}`, `x${at} + x${at}`]),
        ]),
        when: ["x60.contains('zz')"],
      },
    ],
    ["a title as long as the log", { title: "{{join(log.records.map(r, r.text), ' ')}}" }],
  ])("%s", (_, change) => {
    const { findings, skipped } = diagnose(facts, [packOf(change)]);
    expect(findings).toEqual([]);
    expect(skipped).toEqual([{ rule: "one-rule", missing: [], reason: expect.stringContaining("it was stopped") }]);
  });

  it("one pack's waste is no other pack's trouble, and a rule's no other rule's", () => {
    const wasteful = packOf(
      { id: "wasteful", when: ["processes.all(a, processes.all(b, processes.all(c, true)))"] },
      { id: "thrifty", when: ["log.records.exists(r, r.text == 'line 19999')"] },
    );
    expect(diagnose(facts, [wasteful, packOf({ id: "other" })]).findings.map(({ rule }) => rule)).toEqual([
      "thrifty",
      "other",
    ]);
  });

  it("many wasteful rules are stopped together", () => {
    const rules = Array.from({ length: 40 }, (_, at) => ({
      id: `wasteful-${at}`,
      when: ["processes.all(a, processes.all(b, true))"],
    }));
    const { skipped } = diagnose(facts, [packOf(...rules, { id: "late" })]);
    expect(skipped.map(({ rule }) => rule)).toContain("wasteful-39");
  });

  it("text out of a dump cannot move the terminal's cursor, nor fill the screen", () => {
    const hostile = { ...facts, crash: { ...facts.crash, title: `a\u001b[2J\n${"b".repeat(5000)}` } };
    const [finding] = diagnose(hostile, [packOf({ title: "{{crash.title}}" })]).findings;
    expect(finding!.title).toMatch(/^a\ufffd\[2J\ufffdb+…$/);
    expect(finding!.title.length).toBe(2000);
  });

  it.each([
    ["hex('zz') == 1", '"zz" is no 0x… number'],
    ["9223372036854775807 * 2 == 1", "integer overflow: 18446744073709551614"],
    ["1 / int(processes[0].pid) == 1", "division by zero"],
  ])("%s skips the rule with the reason", (expression, reason) => {
    expect(diagnose(facts, [packOf({ when: [expression] })]).skipped).toEqual([
      { rule: "one-rule", missing: [], reason },
    ]);
  });
});

describe("a pack that wants to hold the program up is refused where it stands, or harmless", () => {
  const file = join(temporaryFolder(), "pack.yaml");
  const stopped = "it was stopped: ";
  const refused = (message: string) => new RegExp(`^refused at FILE:\\d+:\\d+: ${message}`);
  const tooLarge = /^refused at FILE: \d+ bytes are more than the 524288 allowed$/;
  const outcomes: Readonly<Record<string, string | RegExp>> = {
    "^(a+)+$ on 60 a's": "quiet",
    "^(a+)+$ on a line of 1 MB": "quiet",
    "(a|aa)+$ on a line of 1 MB, captured": stopped,
    "(a|aa)+$ on the same line, 300 times": "fires",
    "a pattern that defeats automatons": stopped,
    "the same on one line": `${stopped}a line of 200000 characters is too long`,
    "eight of them on lines of 90 kB": stopped,
    "300 such patterns": stopped,
    "a letter 10 MB long for 1,000 patterns": `${stopped}a line of 10000000 characters is too long`,
    "a pattern of 100 kB": refused("this is too long: at most 500"),
    "a{1000}{1000}": refused("it is too large to compile"),
    "((a{30}){30}){30}": refused("it is too large to compile"),
    "2,000 patterns of a thousand states": refused("the pack's patterns up to here are too large together"),
    "800 patterns of all letters there are": refused("the pack's patterns up to here are too large together"),
    "look-ahead": refused("look-around is not allowed"),
    "look-behind": refused("look-around is not allowed"),
    "a back-reference": refused("back-references are not allowed"),
    "a condition of loops in loops": stopped,
    "40 rules of them": stopped,
    "a text that doubles with every name": stopped,
    "brackets in brackets, 100,000 deep": refused("it nests more than 24 deep"),
    "maps in maps, 1,000 deep": refused("it nests more than 24 deep"),
    "conditions in brackets, 300 deep": refused("Exceeded maxDepth"),
    "a document of 20 MB": tooLarge,
    "one text of 500 kB": refused("the key `a` is not known here"),
    "100,000 keys": tooLarge,
    "1,000 keys of one map": "fires",
    "1,000 unknown keys": refused("the key `key0` is not known here"),
    "5,000 misspelt facts": refused("there is no fact `crahs`"),
    "500 rules of one id": refused("the rule `same` is already in FILE:10:11"),
    "a key twice": refused("Map keys must be unique"),
    "values of the wrong kind": refused("this should be a list"),
    "an alias of itself": refused("anchors are not allowed"),
    "aliases that stand for gigabytes": refused("anchors are not allowed"),
    tags: refused("Unresolved tag"),
    "bytes that are no text": refused("this should be a map of keys and values"),
  };

  it.each(hostilePacks())("$name", ({ name, text, facts }) => {
    writeFileSync(file, text);
    expect(outcomeOf(file, facts)).toMatch(outcomes[name]!);
  });

  it("one pack's waste on the log is no other pack's trouble", () => {
    const { facts } = hostilePacks().find(({ name }) => name === "300 such patterns")!;
    const records = [...facts.log!.records, { text: "the last line" }];
    const wasteful = Array.from({ length: 8 }, (_, at) => ({
      id: `wasteful-${at}`,
      log: [{ match: "a[ab]{60}[cd]" }],
    }));
    const late = { id: "late", log: [{ match: "the last line" }] };
    const pack = packOf(...wasteful, late);
    const other = { ...pack, id: "other", rules: [{ ...pack.rules.at(-1)!, pack: "other" }] };
    const { findings, skipped } = diagnose({ ...facts, log: { complete: true, records } }, [pack, other]);
    expect(findings.map(({ rule, pack: from }) => [from, rule])).toEqual([["other", "late"]]);
    expect(skipped.map(({ rule }) => rule)).toEqual([...wasteful.map(({ id }) => id), "late"]);
  });
});
