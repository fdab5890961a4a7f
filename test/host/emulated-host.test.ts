import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { hex } from "../../src/binary/index.ts";
import { EmulatedHost, type HostEvent, loadScenario, parseScenario } from "../../src/host/index.ts";

const scenarioFile = (name: string) => new URL(`../../fixtures/scenarios/${name}.yaml`, import.meta.url).pathname;

const TWO = `name: two
description: one stops, the other goes on
host: { name: lab, memory: 40 MiB }
dumpPartition: { memory: 4 MiB }
duration: 4 s
partitions:
  - name: left
    memory: 16 MiB
    systemPtes: 1024
    drivers:
      - { name: leak.sys, behaviour: leak-system-ptes, options: { rate: 1000 per second, start: 100 ms } }
  - name: right
    memory: 16 MiB
    drivers:
      - { name: pump.sys, behaviour: map-and-unmap, options: { rate: 200 per second } }
      - { name: churn.sys, behaviour: pool-churn }
`;
const two = (seed = 1) => new EmulatedHost(parseScenario(TWO, "two.yaml"), { seed });

async function until(host: EmulatedHost, kind: HostEvent["kind"]): Promise<HostEvent> {
  for (;;) {
    const event = await host.nextEvent();
    if (event.kind === kind) return event;
    if (event.kind === "finished") throw new Error(`the host finished without ${kind}`);
  }
}

const digest = (host: EmulatedHost, partition: string): string =>
  createHash("sha256")
    .update(host.memory(partition).read(0, 16 * 2 ** 20))
    .digest("hex");

function fingerprint(host: EmulatedHost): string {
  const hash = createHash("sha256");
  for (const { name } of host.partitions()) {
    const memory = host.memory(name);
    for (const { firstPage, pageCount } of memory.runs()) hash.update(memory.read(firstPage * 4096, pageCount * 4096));
    hash.update(host.console(name));
    for (const { registers } of host.processors(name))
      hash.update(JSON.stringify(Object.entries(registers).map(([register, value]) => [register, hex(value)])));
  }
  return hash.digest("hex");
}

describe("an emulated host", () => {
  it("gives the same bytes of memory, console and registers for the same seed, others for another", async () => {
    const run = async (seed: number) => {
      const host = two(seed);
      await until(host, "crashed");
      return fingerprint(host);
    };
    const first = await run(7);
    expect(await run(7)).toBe(first);
    expect(await run(8)).not.toBe(first);
  });

  it("says that every partition has started, before anything else happens", async () => {
    const host = two();
    expect(await host.nextEvent()).toEqual({ kind: "started", partition: "left", armed: [] });
    expect(await host.nextEvent()).toEqual({ kind: "started", partition: "right", armed: [] });
    expect(await host.nextEvent()).toMatchObject({ kind: "crashed", partition: "left", stopCode: 0x3f });
  });

  it("failure management 2.7/1: a stopped partition executes nothing more while the other goes on", async () => {
    const host = two();
    await until(host, "crashed");
    const memory = () => digest(host, "left");
    const before = memory();
    const rightBefore = digest(host, "right");
    expect(await host.nextEvent()).toEqual({ kind: "finished", atSeconds: expect.closeTo(4, 1) });
    expect(memory()).toBe(before);
    expect(digest(host, "right")).not.toBe(rightBefore);
  });

  it("a paused partition executes nothing and goes on where it stood", async () => {
    const paused = two();
    const plain = two();
    for (const host of [paused, plain]) for (let start = 0; start < 2; start++) await host.nextEvent();
    await paused.pause("left");
    expect(paused.partitions()[0]!.state).toBe("paused");
    const before = digest(paused, "left");
    expect(await paused.nextEvent()).toMatchObject({ kind: "finished" });
    expect(digest(paused, "left")).toBe(before);
    await paused.resume("left");
    const late = await until(paused, "crashed");
    const early = await until(plain, "crashed");
    // Seconds count the partition's own time: a pause does not show in them, but on the host's clock.
    expect({ ...late, at: null }).toEqual({ ...early, at: null });
    expect(late.kind === "crashed" && early.kind === "crashed" && late.at! > early.at!).toBe(true);
    expect(digest(paused, "left")).toBe(digest(plain, "left"));
  });

  it("starts a stopped partition again with other addresses, and the notice has its own stop code", async () => {
    const host = two();
    const first = await until(host, "crashed");
    const note = host.crashNote("left");
    await host.restart("left", { arm: [{ check: "pte-tracking", target: null }] });
    expect(host.partitions()[0]!.state).toBe("running");
    const second = await until(host, "crashed");
    expect(first).toMatchObject({ stopCode: 0x3f });
    expect(second).toMatchObject({ stopCode: 0xd8 });
    expect(host.crashNote("left")).not.toEqual(note);
    expect(host.bootOf("left")).toBe(2);
    // Seconds begin anew with each start, the host's clock goes on.
    if (first.kind !== "crashed" || second.kind !== "crashed") throw new Error("both stopped");
    expect(second.at.getTime() - first.at.getTime()).toBeCloseTo(second.atSeconds * 1000, -1);
  });

  it("hands out each partition's policy and size", () => {
    const host = new EmulatedHost(loadScenario(scenarioFile("pte-leak")));
    expect(host.partitions().map(({ name, policy }) => [name, policy.dump, policy.recipients.length])).toEqual([
      ["web", "pages", 1],
      ["db", "pages", 0],
      ["media", "pages", 0],
      ["cache", "stateless", 0],
    ]);
    expect(host.startedAt.toISOString()).toBe("2026-01-15T03:12:00.000Z");
  });

  it("refuses a partition it does not have", () => {
    expect(() => two().console("middle")).toThrow(/has no partition middle/);
  });

  it("says which partition is too small for what its drivers hold", async () => {
    const drivers = Array.from(
      { length: 40 },
      (_, index) => `\n      - { name: pump${index}.sys, behaviour: map-and-unmap, options: { pages: 64 } }`,
    );
    const text = TWO.replace(
      /memory: 16 MiB\n {4}systemPtes: 1024\n {4}drivers:/,
      `memory: 8 MiB\n    drivers:${drivers.join("")}`,
    );
    const host = new EmulatedHost(parseScenario(text, "small.yaml"));
    await expect(until(host, "crashed")).rejects.toMatchObject({
      code: "guest/out-of-memory",
      message: expect.stringContaining("partition left"),
    });
  });
});

describe("the scenarios that ship end as they say", () => {
  it.each(["pte-leak", "null-dereference-passive", "null-dereference-dispatch", "two-owners"])("%s", async (name) => {
    const scenario = loadScenario(scenarioFile(name));
    const host = new EmulatedHost(scenario);
    for (const [index, expected] of scenario.expect.entries()) {
      const event = await until(host, "crashed");
      expect(event).toMatchObject({ partition: expected.partition, stopCode: expected.stopCode });
      if (index + 1 < scenario.expect.length)
        await host.restart(expected.partition, { arm: [{ check: "pte-tracking", target: null }] });
    }
    expect(scenario.expect.length).toBe(scenario.boots);
  });
});

describe("address-spaces", () => {
  it("goes on to its end without a stop, with 64 processes and ten million accesses; the shared pages add up", async () => {
    const host = new EmulatedHost(loadScenario(scenarioFile("address-spaces")));
    await until(host, "finished");
    expect(host.partitions().map(({ state }) => state)).toEqual(["running", "running", "running", "running"]);
    const counters = host.counters();
    expect(counters.guestAccesses).toBeGreaterThanOrEqual(10_000_000);
    expect(counters.addressSpaces).toBe(4 * (16 + 1));
    expect(counters.addressSpaceSwitches).toBeGreaterThan(10_000);
    expect(counters.largePageTlbFills).toBeGreaterThan(0);
    expect(counters.localGvaRangeFlushes).toBeGreaterThan(10_000);
    expect(counters.sharingRequestsGranted).toBeGreaterThan(50);
    expect(counters.dmaBytes).toBeGreaterThan(2 ** 20);
    const split = Object.values(host.partitionCounters());
    expect(split.reduce((sum, { guestAccesses }) => sum + guestAccesses!, 0)).toBe(counters.guestAccesses);
  });
});

const SHARING = `name: sharing
description: two partitions read and write each other's pages
host: { name: lab, memory: 40 MiB }
dumpPartition: { memory: 4 MiB }
duration: 2 s
partitions:
  - name: left
    memory: 16 MiB
    systemPtes: 1024
    processes: [{ name: relay.exe, memory: 64 KiB, work: { rate: 100 per second, share: { with: [right] } } }]
    drivers: [{ name: badge.sys, behaviour: null-dereference, options: { at: 1 s } }]
  - name: right
    memory: 16 MiB
    systemPtes: 1024
    processes: [{ name: relay.exe, memory: 64 KiB, work: { rate: 100 per second, share: { with: [left] } } }]
`;

describe("partitions that share pages", () => {
  it("page sharing 3.4/9: those of one that stopped stay as they are, though the other has a transfer to them", async () => {
    const host = new EmulatedHost(parseScenario(SHARING, "sharing.yaml"));
    await until(host, "crashed");
    const before = digest(host, "left");
    const moved = host.counters().dmaBytes!;
    expect(moved).toBeGreaterThan(0);
    await until(host, "finished");
    expect(digest(host, "left")).toBe(before);
    expect(host.partitions()[1]!.state).toBe("running");
  });

  it("page sharing 3.4/11: one that starts anew ends what was pending to its pages, and both share again", async () => {
    const host = new EmulatedHost(parseScenario(SHARING, "sharing.yaml"));
    await until(host, "crashed");
    const { sharingRequestsGranted: before } = host.counters();
    await host.restart("left", { arm: [] });
    expect(host.counters()).toMatchObject({ sharingRequestsPending: 0, temporaryPages: 64, temporaryPagesInUse: 0 });
    expect(host.counters().sharingRequestsDrained).toBeGreaterThan(0);
    await until(host, "crashed");
    expect(host.counters().sharingRequestsGranted).toBeGreaterThan(before! + 10);
    expect(host.counters()).toMatchObject({ temporaryPages: 128, dmaBlocked: 0 });
  });
});
