import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { PackTestRun } from "../../src/rules/index.ts";
import { packText, soundRule } from "../rules/pack-texts.ts";
import { stopcode, stopcodeJson, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());
const pack = folder.in("p.yaml");
const rulesTest = (...args: string[]) => stopcode(["rules", "test", pack, ...args], folder.in("home"));

const rule = { ...soundRule, when: ["crash.title == 'boom'", "crash.panicked"], title: "{{crash.title}} at noon" };
const fires = { name: "fires", rule: "one-rule", facts: { crash: { title: "boom", panicked: true } }, expect: "fire" };
const wrong = { ...fires, name: "another time", title: "boom at night" };

const write = (...cases: object[]) => writeFileSync(folder.in("p.test.yaml"), JSON.stringify({ cases }));

describe("rules test", () => {
  beforeEach(() => writeFileSync(pack, packText(rule)));

  it("shows what differs in words, and ends in 1", () => {
    write(fires, wrong);
    const { status, stdout } = rulesTest();
    expect(status).toBe(1);
    expect(stdout.split("\n").slice(0, 5)).toEqual([
      expect.stringMatching(/^ {2}failed {4}one-rule: another time {2}\S+p\.test\.yaml:1:\d+$/),
      "            title",
      "              expected  boom at [-night-]",
      "              actual    boom at {+noon+}",
      "  failed    1 case of 2 in 1 pack",
    ]);
  });

  it("shows what is known not to hold and what holds by now, and ends in 0", () => {
    write({ ...wrong, todo: "the hour is not in the dump" }, { ...fires, todo: "soon" });
    const { status, stdout } = rulesTest();
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ {2}todo {6}one-rule: another time .*\n +the hour is not in the dump\n/);
    expect(stdout).toMatch(/\n {2}holds {5}one-rule: fires .*\n +it holds now: take its `todo` away\n/);
    expect(stdout).toMatch(/\n {2}passed {4}1 case of 2 in 1 pack · 1 todo\n$/);
  });

  it("runs some of the cases, and refuses to run none", () => {
    write(fires, wrong);
    expect(rulesTest("--run", "rule: fires")).toMatchObject({
      status: 0,
      stdout: "  passed    1 case of 1 in 1 pack\n",
    });
    const { status, stderr } = rulesTest("--run", "nothing such");
    expect(status).toBe(2);
    expect(stderr).toMatch(/^stopcode: no case has `nothing such` in its name · .*\n$/);
  });

  it("shows which rules and conditions no case exercises", () => {
    write(fires, { ...fires, name: "calm", facts: { crash: { title: "calm", panicked: false } }, expect: "quiet" });
    expect(rulesTest("--coverage").stdout.split("\n").slice(2)).toEqual([
      "  some-pack: 1 of 1 rule seen firing and quiet · 0 of 2 conditions decided a case",
      "    one-rule",
      "      never alone false: crash.title == 'boom'",
      "      never alone false: crash.panicked",
      "",
    ]);
    write(fires);
    expect(rulesTest("--coverage").stdout).toMatch(
      /one-rule\n {6}no case in which it stays quiet\n {6}never false: crash\.title == 'boom'\n/,
    );
  });

  it("writes the same as JUnit XML and as one document", () => {
    write(wrong);
    const document = stopcodeJson<PackTestRun>(
      ["rules", "test", pack, "--junit", folder.in("r.xml")],
      folder.in("home"),
    );
    expect(document).toMatchObject({ passed: false, packs: [{ cases: [{ name: "another time", passed: false }] }] });
    expect(readFileSync(folder.in("r.xml"), "utf8")).toContain('<testsuite name="some-pack" tests="1" failures="1"');
    const { status, stderr } = rulesTest("--junit", folder.in("nowhere/r.xml"));
    expect(status).toBe(4);
    expect(stderr).toMatch(/no such file or directory.*\n$/);
  });
});
