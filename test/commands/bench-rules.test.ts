import { afterAll, describe, expect, it } from "vitest";
import type { RulesBench } from "../../src/bench/index.ts";
import { rulesBenchScreen } from "../../src/terminal/index.ts";
import { stopcode, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

describe("bench rules", () => {
  it("says what each part takes, beside other ways and hostile packs, and whether all of it is in bounds", () => {
    const { status, stdout } = stopcode(["bench", "rules", "--seed", "2", "--check", "--json"], folder.in("home"));
    const bench = JSON.parse(stdout) as RulesBench;
    expect(status).toBe(bench.met ? 0 : 1);
    expect(bench.load).toMatchObject({ rules: 200, patterns: 200 });
    expect(bench.load.logMegabytes).toBeCloseTo(10, 1);
    expect(bench.parts.map(({ part }) => part)).toEqual(["load", "prefilter", "patterns", "conditions"]);
    expect(bench.peers.map(({ agrees }) => agrees)).toEqual([200, 200, 200]);
    expect(bench.first.total).toBe(bench.first.load + bench.first.ask);
    const outcomes = bench.hostile.map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => !/^(refused at FILE|it was stopped: |quiet$|fires$)/.test(outcome))).toEqual(
      [],
    );

    const screen = rulesBenchScreen({ ...bench, first: { load: 1500, ask: 600, total: 2100 } });
    expect(screen).toContain("✗ 2100 ms the first time: 1500 ms to load, 600 ms to ask; at most 2000 ms");
    expect(screen).toMatch(/prefilter +all literals, one pass +[\d.]+ ms +[\d.]+ MB\/s/);
    expect(screen).toMatch(/ms {2}look-ahead +refused at FILE:\d+:\d+: look-around is not allowed/);
  }, 180_000);
});
