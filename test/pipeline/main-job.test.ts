import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { Facts } from "../../src/analysis/index.ts";
import { openDump } from "../../src/dumpfile/index.ts";
import type { HistoryRow } from "../../src/history/index.ts";
import type { CrashDocument, DiagnosisDocument, RunReport } from "../../src/pipeline/index.ts";
import { withPeers } from "../peers.ts";
import { fixture, stopcode, stopcodeJson, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const scenario = fixture("scenarios/pte-leak.yaml");
const home = folder.in("home");

const filesBelow = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

const dumpHashes = (report: RunReport) => report.dumps.map((dump) => sha256(join(dump.folder, "memory.dmp")));

/** Every text that a scenario puts into private memory. */
const canaries = (path: string): string[] => {
  const { partitions } = parse(readFileSync(path, "utf8")) as {
    partitions: { processes?: { canary?: string }[] }[];
  };
  return partitions.flatMap(({ processes }) => (processes ?? []).flatMap(({ canary }) => canary ?? []));
};

describe("the main job: pte-leak, from first boot to verdict", () => {
  let report: RunReport;
  beforeAll(() => {
    report = stopcodeJson<RunReport>(["host", "run", scenario], home);
  });

  it("boot 1 ends in 0x3F and arms PTE tracking, boot 2 in 0xD8 naming the driver", () => {
    const [first, second] = report.boots;
    expect(report.boots.length).toBe(2);
    expect(first).toMatchObject({ boot: 1, armed: [], crash: { stopCode: "0x3f" } });
    expect(first?.findings[0]).toMatchObject({ verdict: "suspect", arm: [{ check: "pte-tracking" }] });
    expect(second).toMatchObject({ boot: 2, armed: [{ check: "pte-tracking" }], crash: { stopCode: "0xd8" } });
    expect(second?.findings[0]).toMatchObject({ verdict: "identified", culprit: { name: "leakdrv.sys" } });
    expect(report.verdict).toEqual({
      culprit: "leakdrv.sys",
      kind: "driver",
      confidence: "identified",
      bystander: null,
    });
  });

  it("seals pages, skips the stateless partition, and says both", () => {
    for (const dump of report.dumps) {
      expect(dump.sealedPages).toBeGreaterThan(0);
      expect(dump.skipped).toContainEqual({ partition: "cache", reason: "stateless" });
    }
  });

  it("the count in the finding is the count of page-table entries that the dump itself shows in use", async () => {
    const crash = report.boots[1];
    const shown = stopcodeJson<CrashDocument>(["history", "show", crash?.crashId ?? ""], home);
    const users = shown.facts?.checks?.systemPtes?.users ?? [];
    const culprit = users.find((user) => user.module === "leakdrv.sys");
    expect(culprit?.held).toBe(Number(shown.facts?.crash?.stopCode?.parameters[1]?.value));
    const { total, free } = shown.facts?.checks?.systemPtes ?? { total: 0, free: 0 };
    expect(users.reduce((sum, user) => sum + user.held, 0)).toBe(total - (free ?? 0));
    expect(crash?.findings[0]?.evidence.map(({ text }) => text).join("\n")).toContain(
      culprit?.sites[0]?.function ?? "no site",
    );
  });

  it("the history has both crashes, finds them by the beginning of their id, and rebuilds to the same rows", () => {
    const rows = stopcodeJson<HistoryRow[]>(["history", "list"], home);
    expect(rows.map(({ stopCode, verdict }) => [stopCode, verdict])).toEqual([
      ["0xd8", "identified"],
      ["0x3f", "suspect"],
    ]);
    expect(stopcodeJson(["history", "rebuild"], home)).toMatchObject({ rows: 2, dropped: [], incomplete: [] });
    expect(stopcodeJson(["history", "list"], home)).toEqual(rows);
    expect(stopcodeJson(["history", "list", "--stop-code", "0xD8"], home)).toEqual([rows[0]]);
    const again = stopcodeJson<DiagnosisDocument>(["diagnose", rows[0]?.id ?? ""], home);
    expect(again.findings).toEqual(report.boots[1]?.findings);
    expect(stopcode(["diagnose", rows[0]?.id ?? "", "--fail-on", "identified"], home).status).toBe(1);
    expect(stopcode(["diagnose", rows[1]?.id ?? "", "--fail-on", "identified"], home).status).toBe(0);
  });

  it("every folder verifies; one flipped bit anywhere does not", () => {
    for (const { folder: path } of report.dumps) {
      expect(stopcode(["dump", "verify", path], home).status).toBe(0);
      for (const name of ["memory.dmp", "private.age", "facts.json", "console.log"]) {
        const content = readFileSync(join(path, name));
        const at = Math.floor(content.length * 0.77);
        content[at] = (content[at] ?? 0) ^ 4;
        writeFileSync(join(path, name), content);
        expect(stopcode(["dump", "verify", path], home), name).toMatchObject({ status: 1 });
        content[at] = (content[at] ?? 0) ^ 4;
        writeFileSync(join(path, name), content);
      }
      expect(stopcode(["dump", "verify", path], home).status).toBe(0);
    }
  });

  it("failure management 2.7/8: no canary of private memory is in any file", () => {
    const secrets = canaries(scenario);
    expect(secrets.length).toBeGreaterThan(0);
    for (const path of filesBelow(home)) {
      const content = readFileSync(path);
      for (const secret of secrets) {
        expect(content.includes(secret), path).toBe(false);
        expect(content.includes(Buffer.from(secret, "utf16le")), path).toBe(false);
      }
    }
  });

  withPeers({ program: "age" }).it(
    "failure management 2.7/8: age gives the private pages back, and the canary is in them",
    async () => {
      const { spawnSync } = await import("node:child_process");
      const identity = fixture("keys/lab-owner.txt");
      const sealed = join(report.dumps[0]?.folder ?? "", "private.age");
      const opened = spawnSync("age", ["-d", "-i", identity, "-o", folder.in("private.elf"), sealed]);
      expect(opened.stderr.toString()).toBe("");
      const ours = stopcode(
        ["dump", "unseal", report.dumps[0]?.folder ?? "", "-i", identity, "-o", folder.in("ours.elf")],
        home,
      );
      expect(ours.status).toBe(0);
      expect(sha256(folder.in("ours.elf"))).toBe(sha256(folder.in("private.elf")));
      const content = readFileSync(folder.in("private.elf"));
      for (const secret of canaries(scenario)) expect(content.includes(secret)).toBe(true);
      const dump = await openDump(folder.in("private.elf"));
      expect(dump.pages).toBe(report.dumps[0]?.sealedPages);
      dump.close();
    },
  );

  it("failure management 2.7/9: another owner's identity is refused, and so is a flipped bit; nothing is left behind", () => {
    const crash = report.dumps[0]?.folder ?? "";
    const unseal = (identity: string) =>
      stopcode(["dump", "unseal", crash, "-i", fixture(`keys/${identity}`), "-o", folder.in("nothing.elf")], home);
    const wrong = unseal("second-owner.txt");
    expect(wrong.status).toBe(3);
    expect(wrong.stderr).toMatch(/^stopcode: .*private\.age.* · .* · sealed for age1/);

    const sealed = readFileSync(join(crash, "private.age"));
    const at = sealed.length - 5000;
    sealed[at] = (sealed[at] ?? 0) ^ 1;
    writeFileSync(join(crash, "private.age"), sealed);
    expect(unseal("lab-owner.txt")).toMatchObject({ status: 3, stdout: "" });
    expect(readdirSync(folder.path).filter((name) => name.includes("nothing.elf"))).toEqual([]);
    sealed[at] = (sealed[at] ?? 0) ^ 1;
    writeFileSync(join(crash, "private.age"), sealed);
    expect(stopcode(["dump", "verify", crash], home).status).toBe(0);
  });

  it("the same scenario and seed give the same dumps, another seed others", () => {
    const again = stopcodeJson<RunReport>(["host", "run", scenario], folder.in("again"));
    expect(dumpHashes(again)).toEqual(dumpHashes(report));
    const other = stopcodeJson<RunReport>(["host", "run", scenario, "--seed", "8"], folder.in("other"));
    expect(dumpHashes(other).some((hash) => dumpHashes(report).includes(hash))).toBe(false);
    expect(other.verdict).toEqual(report.verdict);
  });
});

describe("a scenario that says how it must end", () => {
  it("and ends otherwise is bad news: exit code 1, and what was expected", () => {
    const wrong = folder.in("wrong.yaml");
    const text = readFileSync(fixture("scenarios/null-dereference-dispatch.yaml"), "utf8");
    writeFileSync(wrong, text.replace("stopCode: 0xD1", "stopCode: 0x50"));
    const outcome = stopcode(["host", "run", wrong], folder.in("unexpected"));
    expect(outcome.status).toBe(1);
    expect(outcome.stdout).toContain("print 0x50 by spooldrv.sys was expected, print 0xd1 by spooldrv.sys came");
  });
});

describe("null dereference: the IRQL decides the stop code", () => {
  it.each([
    ["null-dereference-passive", "0x50"],
    ["null-dereference-dispatch", "0xd1"],
  ])("%s ends in %s, with the driver on the stack", (name, stopCode) => {
    const path = fixture(`scenarios/${name}.yaml`);
    const report = stopcodeJson<RunReport>(["host", "run", path, "--boots", "1"], folder.in(name));
    expect(report.boots[0]?.crash?.stopCode).toBe(stopCode);
    const facts = stopcodeJson<Facts>(["analyze", join(report.dumps[0]?.folder ?? "", "memory.dmp")], home);
    const guilty = facts.crash?.module?.name;
    expect(guilty).toMatch(/\.sys$/);
    expect(facts.crash?.stack.map((frame) => frame.module)).toContain(guilty);
    expect(report.boots[0]?.findings[0]?.culprit.name).toBe(guilty);
  });
});
