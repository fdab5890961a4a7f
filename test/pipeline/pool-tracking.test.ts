import { describe, expect, it } from "vitest";
import { scenarioRuns } from "./scenario-runs.ts";

const { run, runFile, changed } = scenarioRuns();

describe("a driver that leaves pool behind when it is unloaded", () => {
  it("6.6/14: fills the pool; with pool tracking it is stopped at its first unloading, and its blocks are named", () => {
    const { report, factsOf } = run("unload-leak");
    expect(report.unexpected).toEqual([]);
    const [first, second] = report.boots;
    expect(first!.findings).toHaveLength(1);
    expect(first!.findings[0]).toMatchObject({
      rule: "nonpaged-pool-used-up",
      verdict: "suspect",
      arm: [{ check: "pool-tracking", target: null }],
    });
    expect(factsOf(0).unloadedModules!.filter(({ name }) => name === "sensdrv.sys").length).toBeGreaterThan(10);
    expect(second!.findings[0]).toMatchObject({
      rule: "driver-unloaded-with-pool",
      verdict: "identified",
      culprit: { kind: "driver", name: "sensdrv.sys" },
    });
    const block = "262144 bytes with tag Sens";
    expect(second!.findings[0]!.evidence[0]!.text).toBe(`not freed: ${[block, block, block].join(", ")}`);
    expect(second!.crash!.parameters.toSpliced(1, 1)).toEqual(["0x62", "0x0", "0x3"]);
  });

  it("6.6/14: without the check shows in the count of its tag, where its blocks are small", () => {
    const { factsOf } = run("pool-tag-leak");
    const { tags } = factsOf(0).pool!.nonPaged!;
    const [leak, ...others] = tags;
    expect(leak).toMatchObject({ tag: "Sens" });
    // A block with its header; one that leaves too little of its page takes that as well.
    expect(Math.floor(leak!.bytes / leak!.blocks)).toBe(4000 + 16);
    expect(leak!.bytes).toBeGreaterThan(10 * Math.max(...others.map(({ bytes }) => bytes)));
  });
});

describe("a driver that writes past its blocks and frees them", () => {
  it.each(["31", "2"])(
    "6.6/15: is found by pool tracking; special pool is armed for it, and stops it at the write (seed %s)",
    (seed) => {
      const { report } = run("pool-tracking", "--seed", seed);
      expect(report.unexpected).toEqual([]);
      const [first, second] = report.boots;
      expect(first!.armed).toEqual([{ check: "pool-tracking", target: null }]);
      expect(["0x51", "0x52", "0x54"]).toContain(first!.crash!.parameters[0]);
      expect(first!.findings).toMatchObject([{ rule: "written-behind-a-block", verdict: "suspect" }]);
      expect(second!.armed).toContainEqual({ check: "special-pool", target: "scanrecv.sys" });
      expect(report.verdict).toMatchObject({ culprit: "scanrecv.sys", confidence: "identified" });
    },
  );
});

describe("blocks that are freed wrongly, or never", () => {
  it.each([
    ["double-free", "pool-freed-twice", "driver-damaged-special-block", "lanmodem.sys"],
    ["wrong-tag-free", "pool-freed-with-wrong-tag", "driver-frees-with-wrong-tag", "lanmodem.sys"],
    ["pool-leak", "nonpaged-pool-used-up", "nonpaged-pool-held", "eventlog.sys"],
  ])("%s: suspected without the checks of pool, identified with them", (name, before, after, culprit) => {
    const { report } = run(name);
    expect(report.unexpected).toEqual([]);
    const [first, second] = report.boots;
    expect(first!.findings).toMatchObject([{ rule: before, verdict: "suspect" }]);
    expect(second!.armed).toContainEqual({ check: "pool-tracking", target: null });
    expect(second!.findings[0]).toMatchObject({ rule: after, verdict: "identified", culprit: { name: culprit } });
  });
});

it("a driver that has had much pool from the start on is not accused when another leaks the rest", () => {
  const cache = `
      - name: cachedrv.sys
        behaviour: unload-leak
        options: { left: 0, stays: 60 min, buffers: 36, size: 262144, tag: Cach }`;
  const { report } = runFile(
    changed("pool-leak", "behaviour: pool-leak", `behaviour: pool-leak${cache}`),
    "--boots",
    "2",
  );
  const findings = report.boots.flatMap((boot) => boot.findings);
  expect(findings.map(({ rule, verdict }) => `${rule}, ${verdict}`)).toEqual(
    report.boots.map(() => "nonpaged-pool-used-up, suspect"),
  );
  const told = findings[1]!.evidence.map(({ text }) => text).join("; ");
  expect(told).toMatch(/cachedrv\.sys holds 9437184 bytes in 36 blocks/);
  expect(told).toMatch(/eventlog\.sys holds \d{7} bytes in \d{3} blocks/);
});

it("6.6/11: special pool that begins blocks at their page's start, for a tag, stops a write before a block at once", () => {
  const { report } = run("pool-underrun-tag");
  expect(report.unexpected).toEqual([]);
  expect(report.boots[0]!.findings).toMatchObject([{ rule: "driver-past-its-block", verdict: "identified" }]);
  expect(report.boots[0]!.findings[0]!.title).toContain("before the start");
});
