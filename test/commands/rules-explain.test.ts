import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StopCodeExplanation } from "../../src/rules/index.ts";
import { fixture, stopcode, stopcodeJson, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());
const explain = (...args: string[]) => stopcode(["rules", "explain", ...args], folder.in("home"));

describe("rules explain", () => {
  it("says what happened, what each parameter is, and what to do", () => {
    const { status, stdout } = explain("0x9F", "3", "0xffffab8f5b3ea060", "0xfffff80236a6f7b0", "0xffffab8f62ff2a20");
    expect(status).toBe(0);
    const lines = stdout.split("\n");
    expect(lines[1]).toMatch(/^ {2}0x9F DRIVER_POWER_STATE_FAILURE +power$/);
    expect(stdout).toMatch(/^ {2}case +parameter 1 is 0x3: \w/m);
    expect(stdout).toMatch(/^ {2}told +1 {2}0x3 +\w/m);
    expect(stdout).toMatch(/^ +4 {2}0xffffab8f62ff2a20 {2}\w/m);
    for (const label of ["causes", "advice", "rules"]) expect(stdout).toMatch(new RegExp(`^  ${label} +\\w`, "m"));
    expect(stdout).toContain("windows-core/");
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(140);
  });

  it("names the levels, kinds of access and statuses that parameters hold, and what an administrator runs", () => {
    const { stdout } = explain("d1", "0x18", "2", "1", "0xfffff80012345678");
    expect(stdout).toMatch(/2 {2}0x2 .*: DISPATCH_LEVEL$/m);
    expect(stdout).toMatch(/3 {2}0x1 .*: write$/m);
    expect(stdout).toMatch(/^ {2}arm +force-irql: .*\n(.*\n)? +verifier \/flags 0x2 \/all$/m);
    expect(explain("0x1000007E", "0xc0000005").stdout).toMatch(/_M .*(\n.*)*: STATUS_ACCESS_VIOLATION$/m);
  });

  it("lists the cases there are where the parameter that decides is not given, and says so where it decides nothing", () => {
    expect(explain("driver_power_state_failure").stdout).toMatch(/^ {2}cases +P1 = 0x1 +\w(.*\n)+ +P1 = 0x500 +\w/m);
    expect(explain("0xC1", "1", "2", "3").stdout).toMatch(/^ {2}cases +P4 = 0x20 /m);
    expect(explain("0x9F", "0x99").stdout).toContain("parameter 1 is 0x99: no case is known for this value");
    expect(explain("0x133").stdout).not.toMatch(/^ {2}case /m);
  });

  it("keeps its columns where some parameters are given, and where a case has dozens of values", () => {
    expect(explain("0x9F", "3").stdout).toMatch(/^ {2}told +1 {2}0x3 {2}\w.*\n +2 {7}\w.*\n +3 {7}\w.*\n +4 {7}\w/m);
    const { stdout } = explain("0x19");
    expect(stdout).toMatch(/^ +P1 = 0xd, 0xe, 0xf and \d more {2}\w/m);
    const texts = stdout.split("\n").filter((line) => !line.includes("reg add"));
    expect(Math.max(...texts.map(({ length }) => length))).toBeLessThanOrEqual(122);
  });

  it("prints one document with --json", () => {
    const document = stopcodeJson<StopCodeExplanation>(["rules", "explain", "9f", "3"], folder.in("home"));
    expect(document).toMatchObject({
      code: "0x9f",
      name: "DRIVER_POWER_STATE_FAILURE",
      family: "power",
      decided: { parameter: 1, value: "0x3" },
      cases: [],
    });
    expect(document.parameters.map(({ value }) => value)).toEqual(["0x3", null, null, null]);
  });

  it.each([
    [["0x9E9"], "stopcode: there is no stop code 0x9E9 · the nearest are 0xBFE "],
    [["POWER_STATE"], "stopcode: no stop code is named POWER_STATE · there is DRIVER_POWER_STATE_FAILURE\n"],
    [["0x9F", "ffff"], "stopcode: ffff is no parameter of a stop code · write it in hex with 0x"],
    [["0x9F", "1", "2", "3", "4", "5"], "stopcode: Unexpected argument: 5"],
    [[], "stopcode: Missing 1 required arg"],
  ])("%j is refused in one line: 2", (args, line) => {
    const { status, stdout, stderr } = explain(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr.startsWith(line), stderr).toBe(true);
    expect(stderr.trimEnd()).not.toContain("\n");
  });
});

describe("rules explain, of a rule", () => {
  const home = folder.in("crashes");
  const packs = folder.in("acme.yaml");
  const ofRule = (...args: string[]) => stopcode(["rules", "explain", ...args], home);

  beforeAll(() => {
    expect(stopcode(["host", "run", fixture("scenarios/null-dereference-dispatch.yaml")], home).status).toBe(0);
    expect(stopcode(["rules", "new", "acme", "--in", packs], home).status).toBe(0);
  });

  it("shows what it asks and says, and where it is written, without a crash", () => {
    const { status, stdout } = ofRule("windows-core/driver-bad-address");
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^ {2}windows-core\/driver-bad-address {2}stable · high · .*windows-core\.yaml:\d+\n {2}\w/m,
    );
    expect(stdout).toMatch(/^ {2}needs +crash\.stopCode\.code\n +modules\n {2}names +driver +=/m);
    expect(stdout).toMatch(/^ {2}when +hex\(crash\.stopCode\.code\) in \[0x0a, 0xd1\]\n +driver != ""/m);
    expect(stdout).toMatch(/^ {2}culprit +\{\{driver\}\} \(driver\)$/m);
    expect(stdout).not.toContain("draft");
    expect(ofRule("driver-bad-address").stdout).toBe(stdout);
  });

  it("shows why it fired on a crash, with the values that it read", () => {
    const { stdout } = ofRule("driver-bad-address", "--crash", "2026");
    expect(stdout).toMatch(/^ {2}windows-core\/driver-bad-address fires$/m);
    expect(stdout).toMatch(/^ {2}driver +=.* "spooldrv\.sys"$/m);
    expect(stdout).toMatch(
      /^ {2}holds {2}hex\(crash\.stopCode\.code\) in .*\n +hex\(crash\.stopCode\.code\) = 209 \(0xd1\)$/m,
    );
    expect(stdout).toMatch(/^ {2}verdict +probable: spooldrv\.sys wrote/m);
  });

  it("shows which condition did not hold, and that nobody asks a draft", () => {
    const { stdout } = ofRule("acme", "--rules", packs, "--crash", "2026");
    expect(stdout).toMatch(/^ {2}acme\/acme is quiet: this does not hold: driver == "example\.sys"$/m);
    expect(stdout).toContain("it is a draft: `diagnose` does not ask it");
    expect(stdout).toMatch(/^ {2}does not hold {2}driver == "example\.sys"\n +driver = "spooldrv\.sys"$/m);
    expect(ofRule("acme", "--rules", packs).stdout).toMatch(/^ {2}acme\/acme {2}draft · high/m);
  });

  it("prints one document with --json", () => {
    expect(stopcodeJson(["rules", "explain", "acme", "--rules", packs, "--crash", "2026"], home)).toMatchObject({
      rule: "acme",
      status: "draft",
      outcome: "quiet",
      names: [{ name: "driver", text: "driverOnStack()", value: '"spooldrv.sys"' }],
    });
    expect(stopcodeJson(["rules", "explain", "driver-bad-address"], home)).toMatchObject({
      rule: "driver-bad-address",
      culprit: { kind: "driver", name: "{{driver}}" },
    });
  });

  it.each([
    ["driver-bad-adress", "did you mean `driver-bad-address`?"],
    ["null-pointer", "there is linux-null-pointer-in-module, linux-null-pointer-below-module"],
    ["acme/driver-bad-address", "there is windows-core/driver-bad-address"],
    ["hallo-welt", "`stopcode rules list` shows the rules there are; --rules names packs of your own"],
  ])("%s is no rule, and those that may be meant are named: 2", (name, hint) => {
    expect(ofRule(name)).toEqual({ status: 2, stdout: "", stderr: `stopcode: no pack has a rule ${name} · ${hint}\n` });
  });
});
