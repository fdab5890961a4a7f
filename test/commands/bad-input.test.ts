import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { sharedData, withPeers } from "../peers.ts";
import { fixture, type Outcome, stopcode, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const home = folder.in("home");

/** Writes a copy of the shipped scenario with one text replaced. */
const scenarioWith = (name: string, find: string | RegExp, replacement: string): string => {
  const text = readFileSync(fixture("scenarios/pte-leak.yaml"), "utf8");
  const changed = text.replace(find, replacement);
  expect(changed).not.toBe(text);
  writeFileSync(folder.in(name), changed);
  return folder.in(name);
};

/** One line on stderr that begins with the program's name, nothing on stdout. */
const oneLine = ({ stderr, stdout }: Outcome): string => {
  expect(stdout).toBe("");
  expect(stderr.startsWith("stopcode: ")).toBe(true);
  expect(stderr).not.toMatch(/\n\s+at /);
  return stderr;
};

describe("bad input gets one clear line: what, where, what to do, and an exit code", () => {
  it("a file that is not there: 4", () => {
    const outcome = stopcode(["analyze", folder.in("nowhere.dmp")], home);
    expect(outcome.status).toBe(4);
    expect(oneLine(outcome)).toContain("nowhere.dmp");
  });

  it("a dump of an unknown kind: 3, with what stands at byte 0", () => {
    writeFileSync(folder.in("letter.txt"), "Dear reader, this is a letter and no dump.\n".repeat(400));
    for (const command of [["analyze"], ["diagnose"], ["dump", "info"]]) {
      const outcome = stopcode([...command, folder.in("letter.txt")], home);
      expect(outcome.status).toBe(3);
      expect(oneLine(outcome)).toMatch(/letter\.txt at byte 0 .*44 65 61 72/);
    }
  });

  it("an empty file: 3", () => {
    writeFileSync(folder.in("empty.dmp"), "");
    const outcome = stopcode(["analyze", folder.in("empty.dmp")], home);
    expect(outcome.status).toBe(3);
    expect(oneLine(outcome)).toContain("empty");
  });

  it("a scenario with an unknown key: 3, with file:line:column and the key that was meant", () => {
    const path = scenarioWith("typo.yaml", "\nboots:", "\nboot:");
    const line =
      readFileSync(path, "utf8")
        .split("\n")
        .findIndex((text) => text.startsWith("boot:")) + 1;
    for (const command of ["run", "check"]) {
      const outcome = stopcode(["host", command, path], home);
      expect(outcome.status).toBe(3);
      expect(oneLine(outcome)).toContain(`typo.yaml:${line}:1`);
      expect(outcome.stderr).toContain("boots");
    }
  });

  it("a scenario that is not YAML: 3, with file:line:column", () => {
    writeFileSync(folder.in("broken.yaml"), "name: x\npartitions: [\n  {name: a\n");
    const outcome = stopcode(["host", "run", folder.in("broken.yaml")], home);
    expect(outcome.status).toBe(3);
    expect(oneLine(outcome)).toMatch(/broken\.yaml:\d+:\d+/);
  });

  it("an owner's key with a slip in it: 3, before anything boots, with file:line:column", () => {
    const path = scenarioWith("owner.yaml", /age19td/, "age19tx");
    const at = readFileSync(path, "utf8").split("age19tx")[0]?.split("\n") ?? [];
    for (const command of ["run", "check"]) {
      const outcome = stopcode(["host", command, path], home);
      expect(outcome.status).toBe(3);
      expect(oneLine(outcome)).toContain(`owner.yaml:${at.length}:${(at.at(-1)?.length ?? 0) + 1} `);
    }
  });

  it("an unknown flag, command, stop code or crash: 2 or 3", () => {
    expect(stopcode(["history", "list", "--colour"], home).status).toBe(2);
    expect(stopcode(["histry"], home).status).toBe(2);
    expect(stopcode(["history", "list", "--stop-code", "banana"], home).status).toBe(2);
    const unknown = stopcode(["history", "show", "20300101T000000Z"], home);
    expect(unknown.status).toBe(3);
    expect(oneLine(unknown)).toContain("history list");
  });

  it("--json says the same as data", () => {
    const outcome = stopcode(["analyze", folder.in("nowhere.dmp"), "--json"], home);
    expect(outcome.status).toBe(4);
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      error: { code: "io/open", where: { file: folder.in("nowhere.dmp") }, hint: expect.any(String) },
    });
  });
});

withPeers({ data: "windows/rizin/triage_x64.dmp" }).describe("a truncated dump", () => {
  const whole = () => readFileSync(sharedData("windows/rizin/triage_x64.dmp"));

  it("that ends inside its header is refused with the byte where it ends: 3", () => {
    writeFileSync(folder.in("stub.dmp"), whole().subarray(0, 5000));
    const outcome = stopcode(["analyze", folder.in("stub.dmp")], home);
    expect(outcome.status).toBe(3);
    expect(oneLine(outcome)).toMatch(/stub\.dmp at byte \d+/);
  });

  it("that ends behind it gives what can be read, one line on stderr, and exit code 3", () => {
    const dump = whole();
    writeFileSync(folder.in("half.dmp"), dump.subarray(0, dump.length / 2));
    const outcome = stopcode(["analyze", folder.in("half.dmp"), "--json"], home);
    expect(outcome.status).toBe(3);
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      dump: { complete: false },
      crash: { stopCode: { code: "0x1000007e" } },
    });
    expect(outcome.stderr).toMatch(/^stopcode: .*half\.dmp at byte \d+ .*\n$/);
    expect(stopcode(["dump", "verify", folder.in("half.dmp")], home).status).toBe(1);
  });
});

withPeers({ program: "mount" }, { root: true }).it("a full disk: 4, and what was acknowledged stays", async () => {
  const { spawnSync } = await import("node:child_process");
  const { mkdirSync } = await import("node:fs");
  const disk = folder.in("small-disk");
  mkdirSync(disk);
  expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=40m", "tmpfs", disk]).status).toBe(0);
  try {
    const outcome = stopcode(["host", "run", fixture("scenarios/pte-leak.yaml")], disk);
    expect(outcome.status).toBe(4);
    expect(outcome.stderr).toMatch(/^stopcode: .*small-disk.* · .* · /);
    expect(stopcode(["history", "list", "--json"], disk)).toMatchObject({ status: 0, stdout: "[]\n" });
  } finally {
    spawnSync("umount", [disk]);
  }
});
