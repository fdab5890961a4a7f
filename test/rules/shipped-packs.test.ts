import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { analyze } from "../../src/analysis/index.ts";
import { problemText } from "../../src/document/index.ts";
import {
  checks,
  diagnose,
  differenceText,
  factFunctions,
  loadPacks,
  packJsonSchema,
  shippedPacks,
  testPacks,
} from "../../src/rules/index.ts";
import { sharedData, withPeers } from "../peers.ts";
import { temporaryFolder } from "../seal/folder.ts";

const packFiles = readdirSync(shippedPacks).filter((name) => name.endsWith(".yaml") && !name.endsWith(".test.yaml"));

describe("the packs that ship", () => {
  const run = testPacks();
  const place = temporaryFolder();

  it("pass their own tests, every stable rule seen firing and quiet", () => {
    const failed = run.packs.flatMap(({ cases }) => cases.filter(({ passed }) => !passed));
    expect(failed.map(({ rule, name, differences }) => [rule, name, ...differences.map(differenceText)])).toEqual([]);
    expect(run.problems.map(problemText)).toEqual([]);
    expect(run.packs.flatMap(({ coverage }) => coverage.filter(({ lacks }) => lacks.length > 0))).toEqual([]);
    expect(run.packs.map(({ file }) => file)).toEqual(packFiles.map((name) => join(shippedPacks, name)));
    expect(run.passed).toBe(true);
  });

  it("accuse no image of the Windows kernel", () => {
    const windows = readFileSync(join(shippedPacks, "windows-core.test.yaml"), "utf8");
    const { cases } = parse(windows) as { cases: { culprit?: string }[] };
    expect(cases.map(({ culprit }) => culprit).filter((name) => /ntoskrnl|hal\.dll/.test(name ?? ""))).toEqual([]);
  });

  it("identify only where a check that was armed, or the hypervisor's audit, caught the culprit", () => {
    const sure = loadPacks().flatMap(({ rules }) => rules.filter(({ verdict }) => verdict === "identified"));
    for (const { requires } of sure)
      expect(requires.some((fact) => /^(checks|hypervisor\.audit)\./.test(fact))).toBe(true);
  });

  it("are valid by the published JSON Schema, which is the one in the code", () => {
    const published = JSON.parse(readFileSync(join(shippedPacks, "pack.schema.json"), "utf8")) as object;
    expect(published).toEqual(JSON.parse(JSON.stringify(packJsonSchema())));
    const schema = z.fromJSONSchema(published as Parameters<typeof z.fromJSONSchema>[0]);
    for (const name of packFiles) {
      const pack = parse(readFileSync(join(shippedPacks, name), "utf8")) as object;
      expect(schema.safeParse(pack).error).toBeUndefined();
      expect(schema.safeParse({ ...pack, more: 1 }).success).toBe(false);
    }
  });

  it("are explained by a page whose example is a pack that passes its tests", () => {
    const page = readFileSync(join(shippedPacks, "README.md"), "utf8");
    const [pack, tests] = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text]) => text!);
    writeFileSync(join(place, "example.yaml"), pack!);
    writeFileSync(join(place, "example.test.yaml"), tests!);
    const example = testPacks([place]);
    expect(example.problems.map(problemText)).toEqual([]);
    expect(example).toMatchObject({ passed: true, packs: [{ cases: [{ passed: true }, { passed: true }] }] });
    for (const { signature } of factFunctions) expect(page).toContain(`${signature.slice(0, signature.indexOf("("))}(`);
  });

  it("ask for checks whose switch is written as a command or a setting", () => {
    expect(checks["special-pool"]!.how("x.sys")).toBe("verifier /flags 0x1 /driver x.sys");
    expect(checks["special-pool"]!.how("tag:Fred")).toContain(`/v PoolTag /t REG_DWORD /d ${0x64657246},`);
    expect(checks["special-pool"]!.how("size:193-208")).toContain("/v PoolTag /t REG_DWORD /d 224,");
    expect(checks["special-pool-start"]!.how("x.sys")).toContain("/v PoolTagOverruns /t REG_DWORD /d 0,");
    expect(checks["force-irql"]!.how(null)).toBe("verifier /flags 0x2 /all");
    expect(checks["driver-verifier"]!.how(null)).toBe("verifier /standard /all");
    expect(checks["pool-tracking"]!.how("x.sys")).toBe("verifier /flags 0x8 /driver x.sys");
    expect(checks["unload-checks"]!.how("x.sys")).toBe("verifier /flags 0x800 /driver x.sys");
    expect(checks["pool-tagging"]!.how(null)).toContain("poolmon");
    for (const [check, value, data] of [
      ["pte-tracking", "TrackPtes", 1],
      ["pte-misuse", "TrackPtes", 3],
      ["locked-page-tracking", "TrackLockedPages", 1],
      ["protect-freed-pool", "ProtectNonPagedPool", 1],
    ] as const)
      expect(checks[check]!.how(null)).toContain(
        `Memory Management" /v ${value} /t REG_DWORD /d ${data}, then restart`,
      );
    expect(checks["slab-debugging"]!.how(null)).toContain("slub_debug=");
  });
});

describe("the packs that ship, on real dumps", () => {
  const folder = temporaryFolder();
  const packs = loadPacks();
  const unpacked = (name: string): string => {
    if (!name.endsWith(".gz")) return sharedData(name);
    const path = join(folder, "dump");
    writeFileSync(path, gunzipSync(readFileSync(sharedData(name))));
    return path;
  };

  const cases: [string, [rule: string, verdict: string, culprit: string][]][] = [
    ["windows/rizin/triage_x64.dmp", [["driver-unhandled-exception", "probable", "amdppm.sys"]]],
    ["windows/rizin/triage_arm64.dmp", [["power-button-held", "probable", "whoever held the power button"]]],
    ["linux/qemu-null-6.1.kdump", [["linux-null-pointer-in-module", "probable", "dcrash"]]],
    ["linux/kexec-null-6.1.d31.snappy.kdump", [["linux-null-pointer-in-module", "probable", "dcrash"]]],
    ["linux/mkdf-list-6.12.d31.kdump", [["linux-list-corruption", "suspect", "dcrash"]]],
    ["linux/mkdf-initexit-6.1cloud.d31.zstd.kdump", [["linux-init-exited", "probable", "init"]]],
    ["linux/qemu-oom-6.1cloud.elf.gz", [["linux-panic-on-out-of-memory", "probable", "vm.panic_on_oom"]]],
    ["linux/qemu-live-6.12cloud.kdump", []],
  ];
  for (const [name, expected] of cases) {
    withPeers({ data: name }).it(name, async () => {
      const { findings, skipped } = diagnose(await analyze(unpacked(name)), packs);
      expect(findings.map(({ rule, verdict, culprit }) => [rule, verdict, culprit.name])).toEqual(expected);
      expect(skipped.filter(({ missing }) => missing.length === 0)).toEqual([]);
    });
  }
});
