import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import type { DiagnosisDocument } from "../../src/pipeline/index.ts";
import { sharedData, withPeers } from "../peers.ts";
import { stopcode, stopcodeJson, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());
const home = folder.in("home");

const logFile = folder.in("console.log");
writeFileSync(
  logFile,
  [
    "[    1.000000] Linux version 6.1.0",
    "[   12.500000][ T1234] BUG: KASAN: slab-out-of-bounds in acme_fill+0x7f/0x90 [acme]",
    "[   13.000000][ T1234] Kernel panic - not syncing: Fatal exception",
  ].join("\n"),
);

describe("diagnose --log", () => {
  it("diagnoses a log without a dump, and its evidence is a line of the file", () => {
    const { facts, findings } = stopcodeJson<DiagnosisDocument>(["diagnose", "--log", logFile], home);
    expect(facts).toMatchObject({ os: { family: "unknown" }, log: { file: logFile, complete: true } });
    expect(findings).toMatchObject([
      {
        rule: "linux-out-of-bounds-in-module",
        culprit: { name: "acme" },
        evidence: [{ log: { file: logFile, line: 2, seconds: 12.5 } }],
      },
    ]);
    const { status, stdout } = stopcode(["diagnose", "--log", logFile], home);
    expect(status).toBe(0);
    expect(stdout.replace(/\s+/g, " ")).toContain(`${logFile}:2 at 12.5 s: BUG: KASAN: slab-out-of-bounds`);
  });

  it("shows with --explain which line a pattern met", () => {
    const explain = ["diagnose", "--log", logFile, "--explain"];
    const found = stopcode([...explain, "linux-out-of-bounds-in-module"], home).stdout;
    expect(found).toContain("found  BUG: KASAN: (?P<kind>");
    expect(found).toContain(`${logFile}:2: BUG: KASAN: slab-out-of-bounds in acme_fill+0x7f/0x90 [acme]`);
    expect(found).toContain("module = acme");
    const quiet = stopcode([...explain, "linux-hung-task-panic"], home).stdout;
    expect(quiet).toContain("quiet: no line of the log matches: INFO: task");
    expect(quiet).toContain("not found  Kernel panic - not syncing: hung_task: blocked tasks");
  });

  it("refuses what is no log, and to diagnose nothing", () => {
    expect(stopcode(["diagnose", "--log", folder.in("none")], home)).toMatchObject({ status: 4 });
    writeFileSync(folder.in("empty.log"), "");
    const empty = stopcode(["diagnose", "--log", folder.in("empty.log")], home);
    expect([empty.status, empty.stderr]).toEqual([3, expect.stringContaining("the log is empty")]);
    const nothing = stopcode(["diagnose"], home);
    expect([nothing.status, nothing.stderr]).toEqual([2, expect.stringContaining("--log FILE")]);
  });

  const dump = "linux/qemu-null-6.1.kdump";
  withPeers({ data: dump }).it("takes the place of the log in the dump, beside its other facts", () => {
    const args = ["diagnose", sharedData(dump), "--log", logFile];
    const { findings } = stopcodeJson<DiagnosisDocument>(args, home);
    expect(findings.map(({ rule }) => rule).sort()).toEqual([
      "linux-null-pointer-in-module",
      "linux-out-of-bounds-in-module",
    ]);
  });
});
