import { describe, expect, it } from "vitest";
import { scenarioRuns } from "./scenario-runs.ts";

const { run } = scenarioRuns();

it("6.6/16: a driver that reads pageable memory at DISPATCH_LEVEL stops seldom and late, with forced IRQL checking at once", () => {
  const { report } = run("pageable-at-dispatch");
  expect(report.unexpected).toEqual([]);
  const [first, second] = report.boots;
  expect(first!.findings).toMatchObject([{ rule: "driver-bad-address", verdict: "probable" }]);
  expect(second!.armed).toContainEqual({ check: "force-irql", target: "routeidx.sys" });
  expect(second!.findings[0]).toMatchObject({ rule: "driver-pageable-at-raised-irql", verdict: "identified" });
  expect(first!.crash!.atSeconds).toBeGreaterThan(20);
  expect(second!.crash!.atSeconds).toBeLessThan(1);
});

describe("a driver that is unloaded with a call still to come", () => {
  it.each([
    ["timer", "KiProcessExpiredTimerList"],
    ["dpc", "KiExecuteAllDpcs"],
    ["work-item", "ExpWorkerThread"],
  ])("is named by the list of unloaded drivers, and then stopped before it goes: %s", (left, caller) => {
    const { report, factsOf } = run(`unload-pending-${left}`);
    expect(report.unexpected).toEqual([]);
    const { crash } = factsOf(0);
    expect(crash!.module).toMatchObject({ name: "polldrv.sys", via: "stop code parameter, unloaded module" });
    const functions = crash!.stack.filter(({ via }) => via !== "scan").map((frame) => frame.function);
    expect(functions.indexOf("KiPageFault")).toBeGreaterThan(0);
    // Between the trap and who called stands the routine that is not there any more.
    const trap = functions.indexOf("KiPageFault");
    expect(functions.slice(trap, trap + 3)).toEqual(["KiPageFault", null, caller]);
    const [first, second] = report.boots;
    expect(first!.findings).toMatchObject([{ rule: "unloaded-driver-called", verdict: "probable" }]);
    expect(second!.armed).toEqual([
      { check: "unload-checks", target: null }, // the kernel's own, from the table of procedures
      { check: "pool-tracking", target: "polldrv.sys" },
    ]);
    expect(second!.findings).toMatchObject([{ rule: "driver-unloads-with-calls-pending", verdict: "identified" }]);
  });
});
