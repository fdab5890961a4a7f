import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Facts } from "../../src/analysis/index.ts";
import type { DumpInfo, Verified } from "../../src/archive/index.ts";
import { openDump } from "../../src/dumpfile/index.ts";
import type { HistoryRow } from "../../src/history/index.ts";
import type { CrashDocument, DiagnosisDocument, RunReport } from "../../src/pipeline/index.ts";
import { difference, NO_DIFFERENCE, pagesOf, readByKdumpfile } from "../dumpfile/kdumpfile-peer.ts";
import { withPeers } from "../peers.ts";
import { fixture, stopcode, stopcodeJson, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const home = folder.in("home");
const scenario = (name: string) => fixture(`scenarios/hypervisor-${name}.yaml`);
const run = (name: string, into: string) => stopcodeJson<RunReport>(["host", "run", scenario(name)], folder.in(into));
const vmcore = (report: RunReport) => join(report.dumps.at(-1)?.folder ?? "", "vmcore.elf");
const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

let report: RunReport;
let screen = "";
beforeAll(() => {
  report = run("lost-flush", "lost-flush");
  screen = stopcode(["host", "run", scenario("lost-flush")], home).stdout;
}, 300_000);

function endsIn(one: RunReport, kind: string, culprit: string): void {
  expect(one.unexpected).toEqual([]);
  expect(one.verdict).toEqual({ culprit, kind: "hypervisor", confidence: "identified", bystander: null });
  const [boot] = one.boots;
  expect(boot?.crash).toMatchObject({ partition: "hypervisor", stopCode: "0x20001", title: "HYPERVISOR_ERROR" });
  expect(boot?.findings[0]?.rule).toBe(`hypervisor-${kind}`);
}

describe("a hypervisor that fails, from first boot to verdict", () => {
  it("lost-flush: dumped and named; the dump of another run is the same, bit for bit", () => {
    endsIn(report, "lost-flush", "hypervisor: translation flushes");
    const [row] = stopcodeJson<HistoryRow[]>(["history", "list"], home);
    expect(sha256(join(home, row?.id ?? "", "vmcore.elf"))).toBe(sha256(vmcore(report)));
  });

  it("count-underflow: dumped and named", () => {
    endsIn(run("count-underflow", "count-underflow"), "count-underflow", "hypervisor: page sharing");
  });

  it("wrong-frame: the guest stops first and makes the hypervisor suspect; under the audit that this arms, the next stop names it", () => {
    const staged = run("wrong-frame", "wrong-frame");
    expect(staged.unexpected).toEqual([]);
    const [first, second] = staged.boots;
    expect(first).toMatchObject({ armed: [], crash: { stopCode: "0x1a" } });
    expect(first?.findings[0]).toMatchObject({
      rule: "hypervisor-suspected-by-guest",
      verdict: "suspect",
      arm: [{ check: "hypervisor-audit" }],
    });
    expect(second).toMatchObject({
      boot: 2,
      armed: [{ check: "hypervisor-audit" }],
      crash: { partition: "hypervisor", stopCode: "0x20001" },
    });
    expect(second?.findings[0]).toMatchObject({ rule: "hypervisor-wrong-frame", verdict: "identified" });
  });

  it("stale-entry: four partitions, eight processors, 64 address spaces, ten million accesses, pages shared", () => {
    const big = run("stale-entry", "stale-entry");
    endsIn(big, "stale-entry", "hypervisor: shadow page tables");
    const { counters } = big.hypervisor;
    expect(counters.guestAccesses).toBeGreaterThan(10_000_000);
    expect(counters.sharingRequestsGranted).toBeGreaterThan(100);
    const facts = stopcodeJson<Facts>(["analyze", vmcore(big)], home);
    const guests = facts.hypervisor?.partitions.filter(({ engine }) => engine === "shadow") ?? [];
    expect(guests.length).toBe(4);
    expect(guests.reduce((sum, { processors }) => sum + processors, 0)).toBe(8);
    expect(guests.reduce((sum, { addressSpaces }) => sum + addressSpaces, 0)).toBeGreaterThanOrEqual(64);
    expect(facts.hypervisor?.sharing.sharedPages).toBeGreaterThan(0);
    expect(facts.hypervisor?.audit.checked.shadowEntries).toBeGreaterThan(1000);
    expect(facts.hypervisor?.audit.unchecked).toEqual([]);
  }, 300_000);
});

describe("the dump of a machine in the hands of programs that nobody here wrote", () => {
  let path = "";
  let pages = 0;
  beforeAll(() => {
    path = vmcore(report);
    pages = report.dumps[0]?.pages ?? 0;
  });

  withPeers({ python: "kdumpfile" }).it(
    "libkdumpfile reads the same pages, byte for byte, and has holes where we have",
    async () => {
      const dump = await openDump(path);
      const ours = pagesOf(dump);
      dump.close();
      expect(ours.length).toBe(pages);
      expect(
        difference(
          ours,
          readByKdumpfile(path).pages.map(([pfn, crc]) => [pfn, crc]),
        ),
      ).toEqual(NO_DIFFERENCE);
    },
  );

  withPeers({ program: "readelf" }).it("readelf counts the same pages, the processors, and the note", () => {
    const read = (option: string) => spawnSync("readelf", ["-W", option, path], { encoding: "utf8" }).stdout;
    const sizes = [...read("-l").matchAll(/^ {2}LOAD\s+\S+ \S+ \S+ (0x[0-9a-f]+)/gm)].map((match) => Number(match[1]));
    expect(sizes.reduce((sum, size) => sum + size, 0) / 4096).toBe(pages);
    expect(read("-n").match(/NT_PRSTATUS/g)?.length).toBe(2);
    expect(read("-n")).toMatch(/^ *STOPCODE +0x00000070/m);
  });

  withPeers({ program: "gdb" }).it("gdb finds every processor where the facts say it stood", () => {
    const facts = stopcodeJson<Facts>(["analyze", path], home);
    const { stdout } = spawnSync("gdb", ["-nx", "-batch", "-c", path, "-ex", "info threads"], { encoding: "utf8" });
    const threads = [...stdout.matchAll(/LWP \d+ +(0x[0-9a-f]+) in/g)].map((match) => match[1]);
    expect(threads.length).toBe(2);
    expect(threads).toEqual(facts.processors?.map((processor) => processor.registers.rip));
  });
});

describe("a hypervisor's crash, asked about afterwards", () => {
  let row: HistoryRow;
  beforeAll(() => {
    row = stopcodeJson<HistoryRow[]>(["history", "list"], home)[0]!;
  });

  it("the screen of the run shows it like a partition's", () => {
    for (const line of [
      /boot 1 .*hypervisor stopped at \d+\.\d s +0x20001 HYPERVISOR_ERROR/,
      /dump +[\d,]+ pages · [\d,]+ sealed for 1 owner · scratch skipped \(stateless\)/,
      /verdict +identified: a lost flush: /,
      /hypervisor: translation flushes identified/,
    ])
      expect(screen).toMatch(line);
  });

  it("the history has its row, and rebuilds to it", () => {
    expect(row).toMatchObject({
      partition: "hypervisor",
      os: "hypervisor",
      stopCode: "0x20001",
      title: "HYPERVISOR_ERROR",
      culprit: "hypervisor: translation flushes",
      verdict: "identified",
    });
    expect(stopcodeJson(["history", "rebuild"], home)).toMatchObject({ rows: 1, dropped: [] });
    expect(stopcodeJson<HistoryRow[]>(["history", "list"], home)).toEqual([row]);
  });

  it("analyze, diagnose, explain, dump info and dump verify answer", () => {
    const { folder: path, facts } = stopcodeJson<CrashDocument>(["history", "show", row.id], home);
    expect(stopcodeJson<Facts>(["analyze", join(path, "vmcore.elf")], home)).toEqual(facts);
    const { findings } = stopcodeJson<DiagnosisDocument>(["diagnose", row.id], home);
    expect(findings[0]).toMatchObject({ rule: "hypervisor-lost-flush", culprit: { kind: "hypervisor" } });
    expect(stopcode(["diagnose", row.id, "--explain", "hypervisor-lost-flush"], home).stdout).toMatch(/fires/);
    expect(stopcodeJson<DumpInfo>(["dump", "info", path], home)).toMatchObject({ format: "elf-vmcore", processors: 2 });
    expect(stopcodeJson<Verified>(["dump", "verify", path], home)).toMatchObject({ whole: true });
    expect(stopcode(["history", "show", row.id], home).stdout).toMatch(/audit +\d+ corruption/);
  }, 300_000);
});
