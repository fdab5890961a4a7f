import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Facts } from "../../src/analysis/index.ts";
import { openDump } from "../../src/dumpfile/index.ts";
import type { RunReport } from "../../src/pipeline/index.ts";
import { difference, NO_DIFFERENCE, pagesOf, readByKdumpfile } from "../dumpfile/kdumpfile-peer.ts";
import { withPeers } from "../peers.ts";
import { fixture, stopcodeJson, temporaryFolder } from "../stopcode.ts";

// Dumps of the emulated host in the hands of programs that nobody here wrote.

const folder = temporaryFolder();
afterAll(() => folder.remove());

let memoryDmp = "";
let vmcoreElf = "";
let report: RunReport;

beforeAll(() => {
  const scenario = fixture("scenarios/two-owners.yaml");
  const asElf = readFileSync(scenario, "utf8").replace("  - name: payroll\n", "$&    dump: { format: elf-vmcore }\n");
  writeFileSync(folder.in("elf.yaml"), asElf);
  report = stopcodeJson<RunReport>(["host", "run", scenario], folder.in("windows"));
  memoryDmp = join(report.dumps[0]?.folder ?? "", "memory.dmp");
  const elf = stopcodeJson<RunReport>(["host", "run", folder.in("elf.yaml")], folder.in("elf"));
  vmcoreElf = join(elf.dumps[0]?.folder ?? "", "vmcore.elf");
});

withPeers({ program: "file" }).it("file(1) takes memory.dmp for what it is, and counts the same pages", () => {
  const { stdout } = spawnSync("file", ["-b", memoryDmp], { encoding: "utf8" });
  expect(stdout.trim()).toBe(`MS Windows 64bit crash dump, ${report.dumps[0]?.pages} pages`);
});

withPeers({ python: "kdumpfile" }).it(
  "libkdumpfile reads every page of vmcore.elf as we wrote it to memory.dmp",
  async () => {
    const dump = await openDump(memoryDmp);
    const ours = pagesOf(dump);
    dump.close();
    expect(ours.length).toBeGreaterThan(10_000);
    expect(
      difference(
        ours,
        readByKdumpfile(vmcoreElf).pages.map(([pfn, crc]) => [pfn, crc]),
      ),
    ).toEqual(NO_DIFFERENCE);
  },
);

withPeers({ program: "readelf" }).it("readelf counts the same pages in vmcore.elf, and two processors", () => {
  const read = (option: string) => spawnSync("readelf", ["-W", option, vmcoreElf], { encoding: "utf8" }).stdout;
  const sizes = [...read("-l").matchAll(/^ {2}LOAD\s+\S+ \S+ \S+ (0x[0-9a-f]+)/gm)].map((match) => Number(match[1]));
  expect(sizes.reduce((sum, size) => sum + size, 0) / 4096).toBe(report.dumps[0]?.pages);
  expect(read("-n").match(/NT_PRSTATUS/g)?.length).toBe(2);
});

withPeers({ program: "gdb" }).it("gdb finds both processors in vmcore.elf where the facts say they stood", () => {
  const facts = stopcodeJson<Facts>(["analyze", vmcoreElf], folder.in("home"));
  expect(facts.os?.family).toBe("windows");
  const { stdout } = spawnSync("gdb", ["-nx", "-batch", "-c", vmcoreElf, "-ex", "info threads"], { encoding: "utf8" });
  const threads = [...stdout.matchAll(/LWP \d+ +(0x[0-9a-f]+) in/g)].map((match) => match[1]);
  expect(threads).toEqual(facts.processors?.map((processor) => processor.registers.rip));
});

it("both formats of the same crash give the same facts", () => {
  const of = (path: string) => stopcodeJson<Facts>(["analyze", path], folder.in("home"));
  const [windows, elf] = [of(memoryDmp), of(vmcoreElf)];
  for (const key of ["os", "machine", "crash", "modules", "processes", "bucket"] as const)
    expect(elf[key], key).toEqual(windows[key]);
});
