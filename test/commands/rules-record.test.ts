import { appendFileSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RecordedCase } from "../../src/rules/index.ts";
import { fixture, stopcode, stopcodeJson, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());
const home = folder.in("home");
const [pack, tests] = [folder.in("acme.yaml"), folder.in("acme.test.yaml")];
const record = (...args: string[]) => stopcode(["rules", "record", "2026", ...args], home);

describe("rules record", () => {
  beforeAll(() => {
    expect(stopcode(["host", "run", fixture("scenarios/null-dereference-dispatch.yaml")], home).status).toBe(0);
    expect(stopcode(["rules", "new", "acme-one", "--in", pack], home).status).toBe(0);
  });

  it("prints a case as it stands in a file of tests, with what the rule said and no more of the machine than it read", () => {
    const { status, stdout } = record("--rule", "windows-core/driver-bad-address");
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^cases:\n {2}- name: as in 20260115T031212Z-print-[a-z2-7]{6}\n {4}rule: driver-bad-address\n/,
    );
    expect(stdout).toContain("    title: spooldrv.sys wrote through a null pointer (0x28) at IRQL 2\n");
    for (const unread of ["netpump.sys", "ntoskrnl.exe", "stack", "registers", "machine"])
      expect(stdout).not.toContain(unread);
  });

  it("adds it to tests, where it passes, also beside what was appended as it was printed", () => {
    const rule = ["--rules", pack, "--rule", "acme-one"];
    const [, printed] = record(...rule).stdout.split("cases:\n");
    expect(record(...rule, "--to", tests).stdout).toMatch(
      /^ {2}recorded {2}acme-one: as in 2026\S+ \(quiet\) in .*acme\.test\.yaml\n$/,
    );
    expect(readFileSync(tests, "utf8").endsWith(`\n\n${printed}`)).toBe(true);
    appendFileSync(tests, printed!.replace("as in", "once more"));
    expect(stopcode(["rules", "test", pack], home).stdout).toMatch(/passed {4}5 cases of 6 in 1 pack · 1 todo\n$/);
  });

  it("prints one document with --json", () => {
    const { case: made, file } = stopcodeJson<RecordedCase>(
      ["rules", "record", "2026", "--rule", "driver-bad-address"],
      home,
    );
    expect(made).toMatchObject({
      rule: "driver-bad-address",
      expect: "fire",
      arm: ["special-pool spooldrv.sys", "force-irql spooldrv.sys"],
    });
    expect(file).toBeNull();
  });

  it.each([
    [["--rule", "driver-bad-adress"], 2, /no pack has a rule driver-bad-adress · did you mean `driver-bad-address`\?/],
    [["--rule", "acme-one", "--rules", pack, "--to", tests], 2, /there is a case of acme-one with this name/],
    [["--rule", "acme-one", "--rules", pack, "--to", pack], 3, /there is no list `cases` in it/],
    [[], 2, /Missing required flag rule/],
  ])("%j is refused in one line", (args, code, line) => {
    const { status, stdout, stderr } = record(...args);
    expect([status, stdout]).toEqual([code, ""]);
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd()).not.toContain("\n");
  });
});
