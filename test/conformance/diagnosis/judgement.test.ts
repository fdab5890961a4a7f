import { describe, expect, it } from "vitest";
import { parseScenario } from "../../../src/host/index.ts";
import { judgementOf } from "./judgement.ts";
import type { Outcome } from "./runs.ts";

const scenario = (verdict: string) =>
  parseScenario(
    `name: one
description: a scenario
host: { name: lab }
verdict: ${verdict}
partitions: [{ name: mail }]
`,
    "one.yaml",
  );
const byDriver = scenario("{ kind: driver, culprit: guilty.sys, confidence: identified }");

type Boot = Outcome["boots"][number];
type Verdict = Boot["findings"][number]["verdict"];

const finding = (verdict: Verdict, name: string, kind: "driver" | "hardware" = "driver") =>
  ({ rule: "rule", verdict, culprit: { kind, name } }) as unknown as Boot["findings"][number];

function boot(findings: Boot["findings"], seconds = 0, bytesOfOthers = 0, armed: Boot["armed"] = []): Boot {
  const crash = { partition: "mail", atSeconds: 10 + seconds, stopCode: "0x19", parameters: [], title: null };
  const harm = { begunAtSeconds: 10, bytesOfOthers };
  return { partition: "mail", boot: 1, armed, crash, crashId: null, findings, selfDump: null, harm };
}

const outcome = (boots: Boot[], unexpected: string[] = []): Outcome => ({
  boots,
  verdict: { culprit: "guilty.sys", kind: "driver", confidence: "identified", bystander: null },
  unexpected,
});
const SPECIAL_POOL = [{ check: "special-pool", target: null }];

describe("the judgement of a scenario's runs", () => {
  it("counts the starts until the verdict was there, of the run that took most", () => {
    const found = boot([finding("identified", "guilty.sys")]);
    const unsure = boot([finding("suspect", "guilty.sys")]);
    expect(judgementOf(byDriver, [outcome([found]), outcome([unsure, unsure, found])]).boots).toBe(3);
  });

  it("counts no starts where no verdict came", () => {
    const none = { culprit: null, kind: null, confidence: null, bystander: null };
    expect(judgementOf(scenario("none"), [{ ...outcome([boot([]), boot([])]), verdict: none }]).boots).toBe(0);
  });

  it("takes whoever is named for wrong where nobody is to be", () => {
    const named = outcome([boot([finding("identified", "innocent.sys")])]);
    expect(judgementOf(scenario("none"), [named]).wrongIdentified).toBe(1);
  });

  it("takes what is without checks from runs of their own where the scenario has checks on from the first start", () => {
    const run = (seconds: number, armed: Boot["armed"]) => outcome([boot([], seconds, 8, armed)]);
    const judged = judgementOf(byDriver, [run(1, SPECIAL_POOL)], [run(4, [])]);
    expect([judged.runs, judged.without?.seconds, judged.armed?.seconds]).toEqual([1, 4, 1]);
  });

  it("counts runs in which somebody else was named, for each confidence, at whichever start", () => {
    const wrong = outcome([boot([finding("probable", "innocent.sys")]), boot([finding("identified", "innocent.sys")])]);
    const right = outcome([boot([finding("suspect", "innocent.sys"), finding("identified", "guilty.sys")])]);
    expect(judgementOf(byDriver, [wrong, right, right])).toMatchObject({ wrongIdentified: 1, wrongProbable: 1 });
  });

  it("takes a finding that names no driver for right where the verdict says that it is none's", () => {
    const byHardware = scenario("{ kind: hardware, confidence: suspect }");
    const runs = [boot([finding("probable", "a cable", "hardware")]), boot([finding("probable", "innocent.sys")])];
    expect(
      judgementOf(
        byHardware,
        runs.map((one) => outcome([one])),
      ).wrongProbable,
    ).toBe(1);
  });

  it("tells how long a fault went unnoticed and what it did, without checks and with them, in the mean", () => {
    const run = (seconds: number, bytes: number) =>
      outcome([boot([], seconds, bytes), boot([finding("identified", "guilty.sys")], seconds / 4, 0, SPECIAL_POOL)]);
    expect(judgementOf(byDriver, [run(2, 16), run(6, 48)])).toMatchObject({
      without: { seconds: 4, bytesOfOthers: 32 },
      armed: { seconds: 1, bytesOfOthers: 0 },
    });
  });

  it("knows a fault that special pool stopped at the access from one that was found later", () => {
    const found = boot([finding("identified", "guilty.sys")]);
    const at = (stopCode: string) => outcome([{ ...found, crash: { ...found.crash!, stopCode } }]);
    const judged = [
      [at("0xd6"), at("0xd5")],
      [at("0xd6"), at("0xc1")],
    ].map((runs) => judgementOf(byDriver, runs));
    expect(judged.map(({ isStoppedAtAccess }) => isStoppedAtAccess)).toEqual([true, false]);
  });

  it("says what came of the first run that ended otherwise", () => {
    const runs = [outcome([]), outcome([], ["no crash came"]), outcome([], ["another came"])];
    expect(judgementOf(byDriver, runs)).toMatchObject({ runs: 3, asExpected: 1, complaint: "no crash came" });
  });
});
