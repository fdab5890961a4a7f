import { describe, expect, it } from "vitest";
import { FULL_SIZE, rulesLoad } from "../../src/bench/rules-load.ts";
import { rulesPeers } from "../../src/bench/rules-peers.ts";
import { diagnose, readPack } from "../../src/rules/index.ts";

const small = { ...FULL_SIZE, logCharacters: 300_000 };

const packOf = (text: string) => {
  const reading = readPack("bench.yaml", text);
  if (reading.pack === null) throw new Error(reading.problems[0]!.message);
  return reading;
};

describe("the load of bench rules", () => {
  it("is 200 sound rules with as many patterns, and 5,000 facts beside the log", () => {
    const load = rulesLoad(3, small);
    const { pack, warnings } = packOf(load.pack);
    expect(pack.rules).toHaveLength(200);
    expect(pack.rules.flatMap(({ log }) => log)).toHaveLength(load.patterns.length);
    expect(load.patterns).toHaveLength(200);
    expect(Math.abs(load.values - 5000)).toBeLessThan(100);
    expect(warnings.map(({ code }) => code)).toEqual(["rules/slow-pattern", "rules/slow-pattern"]);
    const { skipped } = diagnose(load.facts, [pack]);
    expect(skipped).toEqual([]);
  });

  it("is the same for the same seed, and another for another", () => {
    expect(rulesLoad(3, small)).toEqual(rulesLoad(3, small));
    expect(rulesLoad(3, small).pack).not.toBe(rulesLoad(4, small).pack);
  });

  it("has lines that patterns are met by, which all ways of looking find alike", () => {
    const load = rulesLoad(5, { ...small, logCharacters: 1_000_000 });
    const peers = rulesPeers(load, packOf(load.pack).pack);
    expect(peers.map(({ agrees }) => agrees)).toEqual([200, 200, 200]);
    expect(peers[0]!.found).toBeGreaterThan(1);
  });
});
