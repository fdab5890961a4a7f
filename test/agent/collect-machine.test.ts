import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Collected, collectMachine } from "../../src/agent/index.ts";
import { analyze, type Facts } from "../../src/analysis/index.ts";
import { type Manifest, verifyCrash } from "../../src/archive/index.ts";
import { hex, PAGE_SIZE, type PageRun } from "../../src/binary/index.ts";
import { type Dump, hypervisorNoteOf, openDump } from "../../src/dumpfile/index.ts";
import { EmulatedHost, type HostCrashNotice, loadScenario } from "../../src/host/index.ts";
import { auditState, readState } from "../../src/hypervisor/index.ts";
import { temporaryFolder } from "../seal/folder.ts";

const folder = temporaryFolder();
const fixture = (name: string) => new URL(`../../fixtures/scenarios/${name}.yaml`, import.meta.url).pathname;

async function untilHostCrash(host: EmulatedHost): Promise<HostCrashNotice> {
  for (;;) {
    const event = await host.nextEvent();
    if (event.kind === "host-crashed") return event;
    if (event.kind === "finished") throw new Error("the scenario ended without a crash of the host");
  }
}

const inside = (runs: readonly PageRun[]) => {
  const frames = new Set<number>();
  for (const { firstPage, pageCount } of runs)
    for (let frame = firstPage; frame < firstPage + pageCount; frame++) frames.add(frame);
  return frames;
};

const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

describe("the dump of a machine whose hypervisor failed", () => {
  const host = new EmulatedHost(loadScenario(fixture("hypervisor-lost-flush")));
  const canary = "the till's float is 150 in coins";
  let notice: HostCrashNotice;
  let collected: Collected;
  let manifest: Manifest;
  let dump: Dump;
  let facts: Facts;
  beforeAll(async () => {
    notice = await untilHostCrash(host);
    collected = await collectMachine(host, notice, { home: join(folder, "home"), boot: 1, armed: [] });
    manifest = collected.finish();
    dump = await openDump(collected.dumpPath!);
    facts = await analyze(collected.dumpPath!);
  });
  afterAll(async () => {
    dump.close();
    await host.close();
  });

  const physical = () => {
    if (dump.memory.kind !== "physical") throw new Error("no physical memory");
    return dump.memory;
  };

  it("failure management 2.7/12: everything but the dump partition stands still before the first page is copied", async () => {
    expect(host.partitions().map(({ state }) => state)).toEqual(["stopped", "stopped", "stopped"]);
    expect(() => host.machineMemory().read(0, 8)).not.toThrow();
  });

  it("failure management 2.7/5: the note leads to the region, and the region says what the host told", () => {
    const note = hypervisorNoteOf(dump.notes)!;
    expect(note).toMatchObject({ ...host.crashRegion(), host: "lab-2", crashedAt: notice.at });
    const state = readState(physical().read(note.firstFrame * PAGE_SIZE, note.frames * PAGE_SIZE));
    expect([state.stopCode, state.parameters]).toEqual([notice.stopCode, notice.parameters]);
    expect(state.partitions.map(({ name }) => name)).toEqual(["dump", "till", "shelf", "scratch"]);
  });

  it("holds every frame that may be held, byte for byte as the machine has it, and no other", () => {
    const memory = host.machineMemory();
    const byName = new Map(host.partitionFrames().map((frames) => [frames.partition, frames]));
    const kept = inside(physical().runs());
    const leftOut = new Set([
      ...inside(byName.get("scratch")!.frames),
      ...inside(byName.get("till")!.privateFrames),
      ...inside(byName.get("shelf")!.privateFrames),
    ]);
    let free = 0;
    const wrong: number[] = [];
    for (const { firstPage, pageCount } of memory.runs())
      for (let frame = firstPage; frame < firstPage + pageCount; frame++) {
        const used = memory.pageState(frame) === "present";
        if (!used) free++;
        const wanted = used && !leftOut.has(frame);
        if (kept.has(frame) !== wanted) wrong.push(frame);
        else if (wanted) {
          const at = frame * PAGE_SIZE;
          if (Buffer.compare(physical().read(at, PAGE_SIZE), memory.read(at, PAGE_SIZE)) !== 0) wrong.push(frame);
        } else expect(() => physical().read(frame * PAGE_SIZE, 8)).toThrow(/not all in the dump/);
      }
    expect(wrong).toEqual([]);
    expect(manifest.dump).toMatchObject({ pages: kept.size, memoryBytes: 96 * 2 ** 20, format: "elf-vmcore" });
    expect(manifest.sealed.map(({ partition, pages }) => [partition, pages])).toEqual([
      ["till", inside(byName.get("till")!.privateFrames).size],
    ]);
    expect(manifest.skipped).toEqual([
      { partition: "scratch", reason: "stateless" },
      { partition: "free memory", reason: `${free} pages that nobody has` },
    ]);
  });

  it("failure management 2.7/6, 2.7/8: the canary of a private page was in memory, and is in no file", async () => {
    const memory = host.machineMemory();
    const [whole] = memory.runs();
    expect(Buffer.from(memory.read(0, whole!.pageCount * PAGE_SIZE)).includes(canary)).toBe(true);
    for (const name of readdirSync(collected.folder)) {
      const bytes = readFileSync(join(collected.folder, name));
      expect([name, bytes.includes(canary), bytes.includes(Buffer.from(canary, "utf16le"))]).toEqual([
        name,
        false,
        false,
      ]);
    }
    expect((await verifyCrash(collected.folder)).problems).toEqual([]);
  });

  it("the audit from the dump finds what the live one found; what needs absent pages is unchecked and not guessed", () => {
    const region = host.crashRegion()!;
    const memory = host.machineMemory();
    const state = readState(memory.read(region.firstFrame * PAGE_SIZE, region.frames * PAGE_SIZE));
    const live = auditState(state, memory);
    expect(live.found).toBeGreaterThan(0);
    expect(facts.hypervisor?.audit.found).toBe(live.found);
    expect(facts.hypervisor?.audit.checked).toEqual(live.checked);
    expect(facts.hypervisor?.audit.corruptions).toEqual(
      live.corruptions.map(({ hostFrame, ...rest }) => ({
        ...rest,
        hostFrame: hostFrame === null ? null : hex(hostFrame),
      })),
    );
    expect(live.unchecked).toEqual([]);
    const unchecked = facts.hypervisor?.audit.unchecked.reduce((sum, { count }) => sum + count, 0) ?? 0;
    expect(unchecked).toBeGreaterThan(0);
  });

  it("has the processors of all partitions but the stateless, as the machine had them", () => {
    const expected = ["till", "shelf"].flatMap((name) => host.processors(name)).map(({ registers }) => registers.rip);
    expect(dump.cpus.map(({ registers }) => registers.rip)).toEqual(expected);
    expect(expected.length).toBe(2);
  });

  it("the facts say which hypervisor, when, with what, and what it held", () => {
    expect(facts).toMatchObject({
      os: { family: "hypervisor" },
      machine: {
        hostname: "lab-2",
        processors: 2,
        crashedAt: notice.at.toISOString(),
        uptimeSeconds: notice.atSeconds,
      },
      crash: {
        title: "HYPERVISOR_ERROR",
        stopCode: {
          code: "0x20001",
          parameters: [
            { meaning: "what is wrong, counted from 1", text: "lost-flush" },
            { text: "till" },
            { meaning: "linear address, or host address" },
            { meaning: "guest physical address" },
          ],
        },
      },
      bucket: { trail: ["stop code 0x20001 HYPERVISOR_ERROR", "corruption lost-flush", "engine shadow"] },
    });
    expect(facts.hypervisor?.partitions.map(({ name, engine }) => [name, engine])).toEqual([
      ["dump", "walk"],
      ["till", "shadow"],
      ["shelf", "shadow"],
      ["scratch", "shadow"],
    ]);
  });

  it("is the same file, bit for bit, when the same scenario fails again", async () => {
    const again = new EmulatedHost(loadScenario(fixture("hypervisor-lost-flush")));
    const second = await untilHostCrash(again);
    expect(second).toEqual(notice);
    const other = await collectMachine(again, second, { home: join(folder, "again"), boot: 1, armed: [] });
    expect(sha256(other.dumpPath!)).toBe(sha256(collected.dumpPath!));
    await again.close();
  });
});
