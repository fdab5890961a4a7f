import { defineConfig } from "vitest/config";

export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: ["test/**/*.test.ts"],
    // @oclif/test captures stdout itself; vitest's interception would hide it (oclif/test#655).
    disableConsoleIntercept: true,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ["default", "./test/skip-report.ts"],
  },
});
