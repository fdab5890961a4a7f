import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Collected, collectMachine } from "../../src/agent/index.ts";
import { type Manifest, unsealCrash, verifyCrash } from "../../src/archive/index.ts";
import { PAGE_SIZE, type PageRun } from "../../src/binary/index.ts";
import { openDump } from "../../src/dumpfile/index.ts";
import { EmulatedHost, loadScenario } from "../../src/host/index.ts";
import { withPeers } from "../peers.ts";
import { temporaryFolder } from "../seal/folder.ts";

const folder = temporaryFolder();
const fixture = (path: string) => new URL(`../../fixtures/${path}`, import.meta.url).pathname;
const framesIn = (runs: readonly PageRun[]) =>
  runs.flatMap(({ firstPage, pageCount }) => Array.from({ length: pageCount }, (_, index) => firstPage + index));

const OWNERS = [
  { partition: "payroll", identity: fixture("keys/lab-owner.txt"), canary: "salaries are a private matter" },
  { partition: "clinic", identity: fixture("keys/second-owner.txt"), canary: "patient records stay in the clinic" },
] as const;

describe("failure management 2.7/8: the dump of a machine with two owners", () => {
  const host = new EmulatedHost(loadScenario(fixture("scenarios/two-owners.yaml")));
  let collected: Collected;
  let manifest: Manifest;
  const told: { phase: string; bytes: number; totalBytes: number }[] = [];
  beforeAll(async () => {
    for (;;) if ((await host.nextEvent()).kind === "crashed") break;
    const notice = {
      ...{ at: host.startedAt, atSeconds: 15, stopCode: 0x20001 },
      parameters: [1n, 0n, 0n, 0n] as const,
    };
    const onProgress = (progress: (typeof told)[number]) => told.push(progress);
    collected = await collectMachine(host, notice, { home: join(folder, "home"), boot: 1, armed: [], onProgress });
    manifest = collected.finish();
  });
  afterAll(() => host.close());

  const opened = async (partition: string, identity: string, whole = false) => {
    const target = join(folder, `${partition}-${whole}.elf`);
    await unsealCrash(collected.folder, { identityFiles: [identity], target, partition, whole });
    const dump = await openDump(target);
    if (dump.memory.kind !== "physical") throw new Error("no physical memory");
    return { dump, memory: dump.memory, target };
  };

  it("has no canary in clear in any of its files", async () => {
    expect(readdirSync(collected.folder).sort()).toEqual(
      ["crash.json", "private-1.age", "private-2.age", "vmcore.elf"].sort(),
    );
    for (const name of readdirSync(collected.folder)) {
      const bytes = readFileSync(join(collected.folder, name));
      for (const { canary } of OWNERS) expect([name, bytes.includes(canary)]).toEqual([name, false]);
    }
    expect((await verifyCrash(collected.folder)).problems).toEqual([]);
    expect(manifest.skipped.map(({ partition }) => partition)).toEqual(["free memory"]);
  });

  it.each(OWNERS)("gives the owner of $partition its private frames, byte for byte, and no other", async (owner) => {
    const { partition, identity, canary } = owner;
    const machine = host.machineMemory();
    const marked = host.partitionFrames().find((frames) => frames.partition === partition)!.privateFrames;
    const { dump, memory } = await opened(partition, identity);
    expect(framesIn(memory.runs())).toEqual(framesIn(marked));
    let canaries = 0;
    for (const frame of framesIn(marked)) {
      const bytes = Buffer.from(memory.read(frame * PAGE_SIZE, PAGE_SIZE));
      expect(Buffer.compare(bytes, machine.read(frame * PAGE_SIZE, PAGE_SIZE))).toBe(0);
      if (bytes.includes(canary)) canaries++;
    }
    expect(canaries).toBeGreaterThan(0);
    dump.close();
  });

  it("puts one owner's pages back into the whole dump, and leaves the other's out", async () => {
    const { dump, memory } = await opened("clinic", OWNERS[1].identity, true);
    const [payroll, clinic] = ["payroll", "clinic"].map((name) =>
      framesIn(host.partitionFrames().find(({ partition }) => partition === name)!.privateFrames),
    );
    expect(memory.pageState(clinic![0]!)).toBe("present");
    for (const frame of payroll!) expect(memory.pageState(frame)).toBe("absent");
    expect(dump.pages).toBe(manifest.dump!.pages + clinic!.length);
    dump.close();
  });

  it("asks whose pages where identities of both are at hand, and refuses the other owner's", async () => {
    const identityFiles = OWNERS.map(({ identity }) => identity);
    const target = join(folder, "refused.elf");
    await expect(unsealCrash(collected.folder, { identityFiles, target })).rejects.toMatchObject({
      ...{ code: "archive/several-sealed", message: "these identities open the pages of payroll, clinic" },
    });
    const wrong = unsealCrash(collected.folder, { identityFiles: [OWNERS[1].identity], target, partition: "payroll" });
    await expect(wrong).rejects.toMatchObject({ code: "seal/wrong-identity" });
    const unknown = unsealCrash(collected.folder, { identityFiles, target, partition: "kitchen" });
    await expect(unknown).rejects.toMatchObject({
      ...{ code: "archive/nothing-sealed", hint: "there are those of payroll, clinic" },
    });
    expect(existsSync(target)).toBe(false);
  });

  it("needs no name where the identity opens the pages of one partition only", async () => {
    const target = join(folder, "unnamed.elf");
    const unsealed = await unsealCrash(collected.folder, { identityFiles: [OWNERS[1].identity], target });
    expect(unsealed).toMatchObject({ partition: "clinic", pages: manifest.sealed[1]!.pages });
  });

  it("tells progress over all files, which only grows and ends at its total", () => {
    expect([...new Set(told.map(({ phase }) => phase))]).toEqual([
      "writing vmcore.elf",
      "sealing private-1.age",
      "sealing private-2.age",
    ]);
    for (const [index, { bytes }] of told.entries()) expect(bytes).toBeGreaterThan(told[index - 1]?.bytes ?? 0);
    const { bytes, totalBytes } = told.at(-1)!;
    expect([bytes <= totalBytes, bytes > totalBytes - PAGE_SIZE]).toEqual([true, true]);
  });

  withPeers({ program: "age" }).it("age opens each owner's file to the same bytes", async () => {
    for (const [index, { partition, identity }] of OWNERS.entries()) {
      const sealed = join(collected.folder, `private-${index + 1}.age`);
      const peer = spawnSync("age", ["-d", "-i", identity, sealed], { maxBuffer: 2 ** 28 });
      expect(peer.stderr.toString()).toBe("");
      const target = join(folder, `${partition}-age.elf`);
      await unsealCrash(collected.folder, { identityFiles: [identity], target });
      expect(Buffer.compare(peer.stdout, readFileSync(target))).toBe(0);
    }
  });
});
