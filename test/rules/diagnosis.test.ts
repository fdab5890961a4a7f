import { describe, expect, it } from "vitest";
import type { Facts } from "../../src/analysis/index.ts";
import { diagnose, diagnosis, explainRule, loadPacks, procedureTable, type Rule } from "../../src/rules/index.ts";
import { packOf } from "./pack-texts.ts";

const factsOf = (facts: object): Facts => ({ schema: "stopcode/facts/1", ...facts }) as Facts;
const words = (...values: number[]) => values.map((value) => ({ value: `0x${value.toString(16)}` }));
const stopped = (code: string, parameters: number[], more: object = {}): Facts =>
  factsOf({
    crash: { alternativeTitles: [], stack: [], stopCode: { code, parameters: words(...parameters) } },
    ...more,
  });

const shipped = loadPacks();
const ruleOf = (id: string): Rule => shipped.flatMap(({ rules }) => rules).find((rule) => rule.id === id)!;

/** Records of a tracking that was on: `[driver, system PTEs held]`. */
const tracked = (total: number, ...users: [string, number][]) => ({
  checks: {
    armed: ["pte-tracking"],
    systemPtes: { total, users: users.map(([module, held]) => ({ module, held, sites: [] })) },
  },
});

describe("self-diagnosing 6.4: the staged procedure from 0x3F to 0xD8", () => {
  it("self-diagnosing 6.6/4: the first 0x3F is a suspicion that arms PTE tracking, with what an administrator would do", () => {
    const { findings, arm } = diagnose(stopped("0x3f", [0, 4, 2, 16384]), shipped);
    expect(findings.map(({ verdict, culprit }) => [verdict, culprit.kind])).toEqual([["suspect", "unknown"]]);
    expect(arm).toEqual([
      {
        check: "pte-tracking",
        target: null,
        how: 'reg add "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management" /v TrackPtes /t REG_DWORD /d 1, then restart',
      },
    ]);
  });

  it("self-diagnosing 6.6/7: 0xD8 with the records of the tracking identifies the driver, and nothing more is armed", () => {
    const { findings, arm } = diagnose(
      stopped("0xd8", [0x1000, 15870, 2, 16384], tracked(16384, ["net.sys", 300], ["leakdrv.sys", 15870])),
      shipped,
    );
    expect(findings).toMatchObject([{ verdict: "identified", culprit: { kind: "driver", name: "leakdrv.sys" } }]);
    expect(arm).toEqual([]);
  });

  it("self-diagnosing 6.6/21: a second 0x3F under tracking names the setting when all are modest, the driver when one is not", () => {
    const modest = diagnose(stopped("0x3f", [0, 64, 3, 1024], tracked(1024, ["a.sys", 200], ["b.sys", 255])), shipped);
    expect(modest.findings).toMatchObject([{ verdict: "probable", culprit: { kind: "configuration" } }]);
    expect(modest.arm).toEqual([]);
    const greedy = diagnose(stopped("0x3f", [0, 64, 3, 1024], tracked(1024, ["a.sys", 200], ["b.sys", 256])), shipped);
    expect(greedy.findings).toMatchObject([{ verdict: "probable", culprit: { kind: "driver", name: "b.sys" } }]);
  });

  it("self-diagnosing 6.6/5: the table for guests says which stop code leads to which checks, and each stage it follows exists", () => {
    const table = procedureTable(shipped);
    expect(table).toContainEqual({
      stopCode: "0x3f",
      after: null,
      checks: ["pte-tracking"],
      rule: "system-ptes-exhausted",
    });
    expect(table).toContainEqual({ stopCode: "0xd8", after: "0x3f", checks: [], rule: "driver-holds-system-ptes" });
    const first = new Set(table.filter(({ checks }) => checks.length > 0).map(({ stopCode }) => stopCode));
    for (const { after } of table) if (after !== null) expect(first).toContain(after);
  });
});

describe("a rule whose facts are missing is skipped with the reason, never passed in silence", () => {
  const facts = factsOf({
    os: { family: "linux", release: null },
    crash: { title: "boom", stack: [], alternativeTitles: [] },
  });
  const skippedBy = (change: object) => diagnose(facts, [packOf({ ...change })]).skipped;

  it("names every required fact that is not there, null and absent alike", () => {
    expect(skippedBy({ requires: ["os.family", "os.release", "checks.armed"] })).toEqual([
      { rule: "one-rule", missing: ["os.release", "checks.armed"], reason: "facts it requires are missing" },
    ]);
  });

  it.each([
    [{ when: ["crash.module.name == 'x'"] }, "crash.module"],
    [{ when: ["crash.stack[0].module == 'x'"] }, "crash.stack[0]"],
    [{ when: ["modules.exists(m, m.name == 'x')"] }, "modules"],
    [{ when: ["parameter(2) == 1"] }, "crash.stopCode.parameters[1].value"],
    [{ let: { name: "crash.process.name" }, when: ["name == 'x'"] }, "crash.process"],
    [{ title: "{{crash.function}}" }, "crash.function"],
    [{ culprit: { kind: "driver", name: "{{crash.module.name}}" } }, "crash.module"],
    [{ arm: [{ check: "special-pool", target: "{{crash.module.name}}" }] }, "crash.module"],
  ])("%j names the fact that it turned out to need", (change, missing) => {
    expect(skippedBy(change)).toEqual([
      { rule: "one-rule", missing: [missing], reason: "a fact it turned out to need is missing" },
    ]);
  });

  it("a condition that is plainly false settles the matter", () => {
    expect(diagnose(facts, [packOf({ when: ["crash.module.name == 'x'", "crash.title == 'other'"] })])).toEqual({
      findings: [],
      skipped: [],
      arm: [],
    });
  });

  it("present(…) asks without failing, for facts below missing facts too", () => {
    const when = [
      "!present(crash.module.name)",
      "!present(crash.stack[3].module)",
      "present(os.family)",
      "!present(os.release)",
    ];
    expect(diagnose(facts, [packOf({ when })]).findings).toHaveLength(1);
  });

  it("evidence and a bystander whose facts are missing are left out; the finding stands", () => {
    const change = {
      evidence: [{ text: "in {{crash.function}}" }, { text: "title {{crash.title}}", address: "{{crash.address}}" }],
      bystander: { kind: "process", name: "{{crash.process.name}}" },
    };
    const [finding] = diagnose(facts, [packOf(change)]).findings;
    expect(finding).toMatchObject({ bystander: null, evidence: [{ text: "title boom", address: null }] });
  });
});

describe("a diagnosis", () => {
  const nothing = factsOf({});

  it("has its findings best first: by verdict, then severity, then as the packs have them", () => {
    const pack = packOf(
      { id: "a", verdict: "excluded", severity: "critical" },
      { id: "b", verdict: "suspect", severity: "low" },
      { id: "c", verdict: "probable", severity: "low" },
      { id: "d", verdict: "suspect", severity: "high" },
      { id: "e", verdict: "identified", severity: "info" },
      { id: "f", verdict: "suspect", severity: "high" },
    );
    expect(diagnose(nothing, [pack]).findings.map(({ rule }) => rule)).toEqual(["e", "c", "d", "f", "b", "a"]);
  });

  it("asks for a check once per target, and not for a driver when the whole system is checked", () => {
    const pool = (target?: string) => ({ check: "special-pool", ...(target === undefined ? {} : { target }) });
    const irql = (target: string) => ({ check: "force-irql", target });
    const one = packOf(
      { id: "a", arm: [pool("x.sys"), irql("x.sys")] },
      { id: "b", arm: [irql("x.sys"), irql("y.sys")] },
    );
    expect(diagnose(nothing, [one]).arm.map(({ check, target, how }) => [check, target, how])).toEqual([
      ["special-pool", "x.sys", "verifier /flags 0x1 /driver x.sys"],
      ["force-irql", "x.sys", "verifier /flags 0x2 /driver x.sys"],
      ["force-irql", "y.sys", "verifier /flags 0x2 /driver y.sys"],
    ]);
    const all = packOf({ id: "a", arm: [pool("x.sys")] }, { id: "b", arm: [pool()] });
    expect(diagnose(nothing, [all]).arm).toEqual([
      { check: "special-pool", target: null, how: "verifier /flags 0x1 /all" },
    ]);
  });

  it("leaves drafts aside", () => {
    const pack = packOf({
      id: "a",
      status: "draft",
      arm: [{ check: "pte-tracking" }],
      procedure: { stopCode: "0x3f", check: "pte-tracking" },
    });
    expect(diagnose(nothing, [pack])).toEqual({ findings: [], skipped: [], arm: [] });
    expect(procedureTable([pack])).toEqual([]);
  });

  it("is what the finding contract says, and leaves the facts as they were", () => {
    const facts = stopped("0x3f", [0, 4, 2, 16384], tracked(16384));
    const before = structuredClone(facts);
    expect(diagnosis.safeParse(diagnose(facts, shipped)).error).toBeUndefined();
    expect(facts).toEqual(before);
  });
});

describe("expressions", () => {
  const facts = factsOf({
    crash: { title: "t", alternativeTitles: [], stack: [], stopCode: { code: "0xd8", parameters: words(7, 0x2000) } },
    modules: [
      { name: "low.sys", base: "0x1000", size: 0x1000 },
      { name: "top.sys", base: "0xffffffffffffe000", size: 0x1000 },
      { name: "unknown.sys" },
    ],
    machine: { uptimeSeconds: 3.7, processors: 16 },
    processes: [{ pid: 1234567, name: "p" }],
  });
  const says = (template: string) => diagnose(facts, [packOf({ title: template })]).findings[0]?.title;

  it.each([
    ["{{hex(crash.stopCode.code) == 0xd8}}", "true"],
    ["{{hex('0xffffffffffffffff') > hex('0x7fffffffffffffff')}}", "true"],
    ["{{toHex(hex('0xfffff80012345678'))}}", "0xfffff80012345678"],
    ["{{parameter(1)}} {{toHex(parameter(2))}}", "7 0x2000"],
    ["{{moduleAt(0x1000)}} {{moduleAt(0x1fff)}}", "low.sys low.sys"],
    ["[{{moduleAt(0xfff)}}] [{{moduleAt(parameter(2))}}]", "[] []"],
    ["{{moduleAt(hex('0xffffffffffffefff'))}}", "top.sys"],
    [
      "{{machine.uptimeSeconds}} {{machine.processors * 2}} {{machine.processors == 16}} {{1 + machine.uptimeSeconds}}",
      "3.7 32 true 4.7",
    ],
    ["{{processes[0].pid}} {{string(processes[0].pid)}}", "1,234,567 1234567"],
    ["{{join(modules.map(m, m.name), ' · ')}}", "low.sys · top.sys · unknown.sys"],
    [
      "{{isKernelImage('NTOSKRNL.EXE')}} {{isKernelImage('ndis.sys')}} {{isPartOfWindows('ndis.sys')}} {{isPartOfWindows('leakdrv.sys')}}",
      "true false true false",
    ],
    ["no braces } { here", "no braces } { here"],
  ])("%s is %s", (template, expected) => {
    expect(says(template)).toBe(expected);
  });

  it.each([
    [
      "the topmost that is no part of Windows",
      [
        ["ntoskrnl.exe", "context"],
        ["a.sys", "unwind"],
        ["b.sys", "unwind"],
      ],
      "a.sys",
    ],
    [
      "never a guess",
      [
        ["ntoskrnl.exe", "context"],
        ["a.sys", "scan"],
        ["b.sys", "log, unsure"],
        ["c.sys", "epilog"],
      ],
      "c.sys",
    ],
    [
      "nobody where only Windows is",
      [
        ["ntoskrnl.exe", "context"],
        [null, "unwind"],
        ["storport.sys", "unwind"],
      ],
      "",
    ],
  ] as const)("the driver on the stack is %s", (_, frames, driver) => {
    const stack = frames.map(([module, via]) => ({ address: "0x1", module, via }));
    const crashed = factsOf({ ...facts, crash: { ...facts.crash!, stack } });
    const { findings } = diagnose(crashed, [packOf({ title: "[{{driverOnStack()}}]" })]);
    expect(findings[0]?.title).toBe(`[${driver}]`);
  });

  it("names of a rule stand for values worked out once, in each other too", () => {
    const change = { let: { first: "modules[0]", size: "first.size * 2" }, title: "{{first.name}} {{size}}" };
    expect(diagnose(facts, [packOf(change)]).findings[0]?.title).toBe("low.sys 8,192");
  });
});

describe("explaining a rule", () => {
  it("shows each condition with what it read, for a rule that fired and one that did not", () => {
    const fired = explainRule(stopped("0x3f", [0, 4, 2, 16384]), ruleOf("system-ptes-exhausted"));
    expect(fired).toMatchObject({
      outcome: "fire",
      reason: null,
      requires: [{ fact: "crash.stopCode.code", present: true }],
    });
    expect(fired.finding?.rule).toBe("system-ptes-exhausted");
    expect(fired.conditions[0]).toEqual({
      text: "hex(crash.stopCode.code) == 0x3f",
      result: "holds",
      reason: null,
      values: [{ text: "hex(crash.stopCode.code)", value: "63 (0x3f)" }],
    });

    const quiet = explainRule(stopped("0x3f", [0, 4, 2, 16384], tracked(16384)), ruleOf("system-ptes-exhausted"));
    expect(quiet).toMatchObject({ outcome: "quiet", finding: null });
    expect(quiet.reason).toContain("pte-tracking");
    expect(quiet.conditions.map(({ result }) => result)).toEqual(["holds", "does not hold"]);
    expect(quiet.conditions[1]!.values).toEqual([{ text: "checks.armed", value: '["pte-tracking"]' }]);
  });

  it("shows what is missing, and the values of a rule's own names", () => {
    const skipped = explainRule(stopped("0xd1", [0x18, 2, 1], { modules: [] }), ruleOf("driver-bad-address"));
    expect(skipped).toMatchObject({ outcome: "skip", reason: "a fact it turned out to need is missing" });
    expect(skipped.conditions[1]).toMatchObject({
      result: "unanswered",
      reason: "no fact crash.stopCode.parameters[3].value",
      values: [
        { text: "driver", value: null },
        { text: "isPartOfWindows(driver)", value: null },
      ],
    });
  });
});
