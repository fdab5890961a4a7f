import type { Reporter, TestModule } from "vitest/node";

/**
 * Says loudly which tests did not run and why; with CI set, a skipped test fails the run:
 * there, every peer is installed, so a skip means that something was not tested.
 */
export default class SkipReport implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) =>
      [...module.children.allTests("skipped")].map((test) => {
        const note = test.result().state === "skipped" ? (test.result() as { note?: string }).note : undefined;
        return `${module.relativeModuleId}: ${test.fullName}${note ? ` (${note})` : ""}`;
      }),
    );
    const count = (state: "passed" | "failed") =>
      modules.reduce((sum, module) => sum + [...module.children.allTests(state)].length, 0);
    console.error(`${count("passed")} passed, ${count("failed")} failed, ${skipped.length} skipped`);
    if (skipped.length === 0) return;
    console.error(`\nNOT RUN, ${skipped.length} tests:\n${skipped.map((line) => `  ${line}`).join("\n")}\n`);
    if (process.env.CI) {
      console.error("CI installs every peer and has the shared data: a skipped test is a failure here.\n");
      process.exitCode = 1;
    }
  }
}
