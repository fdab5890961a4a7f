import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Collected, collect } from "../../src/agent/index.ts";
import { type Manifest, unsealCrash, verifyCrash } from "../../src/archive/index.ts";
import { openDump } from "../../src/dumpfile/index.ts";
import { type CrashNotice, EmulatedHost, type Host, loadScenario, parseScenario } from "../../src/host/index.ts";
import { withPeers } from "../peers.ts";
import { temporaryFolder } from "../seal/folder.ts";

const folder = temporaryFolder();
const fixture = (path: string) => new URL(`../../fixtures/${path}`, import.meta.url).pathname;

async function untilCrash(host: Host): Promise<CrashNotice> {
  for (;;) {
    const event = await host.nextEvent();
    if (event.kind === "crashed") return event;
    if (event.kind === "finished") throw new Error("the scenario ended without a crash");
  }
}

describe("a crash of the emulated host with two owners", () => {
  const host = new EmulatedHost(loadScenario(fixture("scenarios/two-owners.yaml")));
  const secret = "salaries are a private matter";
  const foreign = "patient records stay in the clinic";
  let notice: CrashNotice;
  let collected: Collected;
  let manifest: Manifest;
  beforeAll(async () => {
    notice = await untilCrash(host);
    collected = await collect(host, notice, { home: join(folder, "home"), boot: 1, armed: [] });
    manifest = collected.finish();
  });
  afterAll(() => host.close());

  const memoryHolds = (partition: string, text: string): boolean => {
    const memory = host.memory(partition);
    return memory
      .runs()
      .some(({ firstPage, pageCount }) => Buffer.from(memory.read(firstPage * 4096, pageCount * 4096)).includes(text));
  };

  it("failure management 2.7/8: has no canary in clear in any of its files, though the memory was full of them", async () => {
    expect([memoryHolds("payroll", secret), memoryHolds("clinic", foreign)]).toEqual([true, true]);
    for (const name of readdirSync(collected.folder)) {
      const bytes = readFileSync(join(collected.folder, name));
      expect([name, bytes.includes(secret), bytes.includes(foreign)]).toEqual([name, false, false]);
    }
    expect((await verifyCrash(collected.folder)).problems).toEqual([]);
  });

  withPeers({ program: "age" }).it(
    "failure management 2.7/8: gives the owner every private page through age -d",
    () => {
      const sealed = join(collected.folder, "private.age");
      const opened = spawnSync("age", ["-d", "-i", fixture("keys/lab-owner.txt"), sealed], { maxBuffer: 2 ** 28 });
      expect(opened.stderr.toString()).toBe("");
      const elf = opened.stdout;
      const table = Number(elf.readBigUInt64LE(0x20));
      const memory = host.memory("payroll");
      let pages = 0;
      for (let at = table; at < table + elf.readUInt16LE(0x38) * 56; at += 56) {
        if (elf.readUInt32LE(at) !== 1) continue;
        const [offset, address, bytes] = [8, 24, 32].map((field) => Number(elf.readBigUInt64LE(at + field)));
        expect(Buffer.from(memory.read(address!, bytes!)).equals(elf.subarray(offset!, offset! + bytes!))).toBe(true);
        pages += bytes! / 4096;
      }
      expect(pages).toBe(manifest.sealed[0]?.pages);
      expect(elf.includes(secret)).toBe(true);
    },
  );

  it("failure management 2.7/9: does not open for the owner of the other partition", async () => {
    const target = join(folder, "stolen.elf");
    const work = unsealCrash(collected.folder, { identityFiles: [fixture("keys/second-owner.txt")], target });
    await expect(work).rejects.toMatchObject({ code: "seal/wrong-identity" });
  });

  it("failure management 2.7/1: the failed partition executes nothing more, while the other one goes on", async () => {
    const before = host.processors("payroll");
    const events = host.counters().guestEvents!;
    for (let event = await host.nextEvent(); event.kind !== "finished"; ) event = await host.nextEvent();
    expect(host.processors("payroll")).toEqual(before);
    expect(host.counters().guestEvents).toBeGreaterThan(events);
  });

  it("failure management 2.7/11: opens as the dump of that partition alone, page for page", async () => {
    const dump = await openDump(collected.dumpPath!);
    if (dump.memory.kind !== "physical") throw new Error("no physical memory");
    const memory = host.memory("payroll");
    for (const { firstPage, pageCount } of dump.memory.runs())
      for (let done = 0; done < pageCount; done += 256) {
        const [address, length] = [(firstPage + done) * 4096, Math.min(256, pageCount - done) * 4096];
        expect(Buffer.compare(dump.memory.read(address, length), memory.read(address, length))).toBe(0);
      }
    expect(dump.stopCode).toEqual({ code: notice.stopCode, parameters: notice.parameters });
    expect(dump.pages).toBe(manifest.dump?.pages);
    dump.close();
  });
});

describe("failure management 2.7/10: a stateless partition of the emulated host", () => {
  it("leaves its descriptor and no page, and is told apart from the one that was not asked for", async () => {
    const host = new EmulatedHost(
      parseScenario(
        `
name: stateless
description: A partition that may be lost stops.
seed: 1
expect:
  - { partition: cache, stopCode: 0xD1 }
host: { name: lab-9, memory: 96 MiB }
partitions:
  - name: cache
    memory: 32 MiB
    stateless: true
    drivers:
      - { name: probe.sys, behaviour: null-dereference, options: { at: 5 s, irql: dispatch } }
    processes:
      - { name: cached.exe, memory: 1 MiB, private: false, canary: nothing to learn from this }
  - { name: web, memory: 32 MiB }
`,
        "stateless.yaml",
      ),
    );
    const notice = await untilCrash(host);
    const collected = await collect(host, notice, { home: join(folder, "home"), boot: 1, armed: [] });
    const manifest = collected.finish();
    expect(readdirSync(collected.folder)).toEqual(["crash.json"]);
    expect(manifest).toMatchObject({
      partition: "cache",
      dump: null,
      sealed: [],
      stopCode: { code: "0xd1" },
      skipped: [{ partition: "cache", reason: "stateless" }],
    });
    await host.close();
  });
});
