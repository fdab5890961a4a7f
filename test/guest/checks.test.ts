import { describe, expect, it } from "vitest";
import { checkEntry, checkRecords } from "../../src/dumpfile/index.ts";
import { readDiagnosis } from "../../src/guest/index.ts";
import { EmulatedHost } from "../../src/host/index.ts";
import { crashed, LEAK, labScenario, stopUnder, untilItStops, type View, viewOf } from "./lab.ts";
import { exportsOf } from "./unwind-twin.ts";

const PTE_TRACKING = [{ check: "pte-tracking", target: null }];

const DISPATCH_FAULT = `drivers:
  - { name: badge.sys, behaviour: null-dereference, options: { at: 300 ms, irql: dispatch } }`;

function recordsOf(view: View) {
  const base = view.modules[0]!.dllBase;
  const rva = exportsOf((at, bytes) => view.memory.read(base + BigInt(at), bytes)).get("LabCheckRecords")!;
  const block = checkRecords.read(view.memory.read(base + BigInt(rva), checkRecords.size));
  const entries = Array.from({ length: block.entryCount }, (_, index) =>
    checkEntry.read(view.memory.read(block.entries + BigInt(index * checkEntry.size), checkEntry.size)),
  );
  return { block, entries };
}

async function secondStop(rest: string, arm: readonly { check: string; target: string | null }[]) {
  const { host } = await crashed(rest);
  await host.restart("subject", { arm });
  const started = await host.nextEvent();
  const event = await untilItStops(host);
  if (event.kind !== "crashed") throw new Error("the guest did not stop again");
  return { host, started, event, view: viewOf(host) };
}

describe("self-diagnosis", () => {
  it("6.6/1: a stop code is in non-volatile storage before the machine stops", async () => {
    const host = new EmulatedHost(labScenario(LEAK));
    const event = await untilItStops(host);
    const { boot, stop } = readDiagnosis(host.nonVolatile("subject")).state;
    expect([boot, stop?.stopCode]).toEqual([1, 0x3f]);
    expect(stop?.parameters).toEqual(event.kind === "crashed" && event.parameters);
  });

  it("6.6/2: the next start reads it, and consumes it, before any driver loads", async () => {
    const { host } = await crashed(LEAK);
    await host.restart("subject", { arm: [] });
    // Nothing has run yet: the kernel stands, and no driver of the scenario is loaded.
    const lines = host.console("subject");
    expect(lines).toContain("boot 1 ended in 0x3f NO_MORE_SYSTEM_PTES");
    expect(lines).not.toContain("leakdrv.sys");
    expect(readDiagnosis(host.nonVolatile("subject"))).toMatchObject({
      isDamaged: false,
      state: { boot: 2, stop: null, stops: [{ stopCode: 0x3f, count: 1, firstBoot: 1 }] },
    });
    await untilItStops(host);
    const whole = host.console("subject");
    expect(whole.indexOf("boot 1 ended")).toBeLessThan(whole.indexOf("driver leakdrv.sys loaded"));
  });

  it("6.6/3: without a code only ordinary checking runs: no record is ever written", async () => {
    const { host, view } = await crashed(LEAK);
    expect(host.counters().checkRecordsWritten).toBe(0);
    const { block, entries } = recordsOf(view);
    expect(block).toMatchObject({ armedMask: 0, entryCount: 0, entries: 0n, entryCapacity: 0 });
    expect(entries).toEqual([]);
  });

  it("6.6/4: given code X, the kernel switches on exactly the checks of its procedure, with no one's help", async () => {
    const procedures = [
      { stopCode: 0x3f, after: null, arm: PTE_TRACKING },
      { stopCode: 0xd1, after: null, arm: [{ check: "clairvoyance", target: null }] },
    ];
    const { host } = await crashed(LEAK, { procedures });
    await host.restart("subject", { arm: [] });
    expect(await host.nextEvent()).toMatchObject({ kind: "started", armed: PTE_TRACKING });
    expect(await untilItStops(host)).toMatchObject({ stopCode: 0xd8 });
    // 0xD8 has no procedure: what was armed stays.
    await host.restart("subject", { arm: [] });
    expect(await host.nextEvent()).toMatchObject({ kind: "started", armed: PTE_TRACKING });
  });

  it("6.6/5: given another code on another machine, other checks are on", async () => {
    const procedures = [{ stopCode: 0x3f, after: null, arm: PTE_TRACKING }];
    const { host } = await crashed(DISPATCH_FAULT, { procedures });
    await host.restart("subject", { arm: [] });
    expect(await host.nextEvent()).toMatchObject({ kind: "started", armed: [] });
  });

  it("a check that is asked for from inside and from outside is armed once", async () => {
    const { host } = await crashed(LEAK, { procedures: [{ stopCode: 0x3f, after: null, arm: PTE_TRACKING }] });
    await host.restart("subject", { arm: PTE_TRACKING });
    expect(await host.nextEvent()).toMatchObject({ armed: PTE_TRACKING });
    expect(host.console("subject").split("armed: pte-tracking")).toHaveLength(2);
  });

  it("6.6/6: with 0x3F's check armed, each reservation and release is recorded with its caller", async () => {
    const { host, view, started } = await secondStop(
      `${LEAK}
  - { name: netpump.sys, behaviour: map-and-unmap, options: { rate: 200 per second, pages: 2 } }`,
      PTE_TRACKING,
    );
    expect(started).toMatchObject({ kind: "started", armed: PTE_TRACKING });
    const { block, entries } = recordsOf(view);
    expect(block.armedMask).toBe(1);
    const byModule = (name: string) => {
      const { dllBase, sizeOfImage } = view.modules.find((one) => one.name === name)!;
      const [entry, ...more] = entries.filter(({ moduleBase }) => moduleBase === dllBase);
      expect(more).toEqual([]);
      expect(entry!.caller - dllBase).toBeLessThan(BigInt(sizeOfImage));
      expect(view.memory.read(entry!.caller - 5n, 1)[0]).toBe(0xe8); // behind a call
      return entry!;
    };
    const leak = byModule("leakdrv.sys");
    const pump = byModule("netpump.sys");
    expect(leak.releasedCalls).toBe(0);
    expect(leak.heldPtes).toBe(BigInt(leak.calls));
    expect(pump.calls - pump.releasedCalls).toBe(Number(pump.heldPtes) / 2);
    expect(pump.releasedCalls).toBeGreaterThan(10);
    const held = entries.reduce((sum, { heldPtes }) => sum + heldPtes, 0n);
    expect(block.totalPtes - held).toBe(block.freePtes);
    const events = entries.reduce((sum, { calls, releasedCalls }) => sum + calls + releasedCalls, 0);
    expect(host.counters().checkRecordsWritten).toBe(events);
  });

  it("6.6/7: PTEs run out again: 0xD8 with the top driver's name and count, never 0x3F", async () => {
    const { event, view } = await secondStop(LEAK, PTE_TRACKING);
    expect(event.stopCode).toBe(0xd8);
    const [name, used, free, total] = event.parameters;
    const text = Buffer.from(view.memory.read(name, 64)).toString("utf16le");
    expect(text.slice(0, text.indexOf("\0"))).toBe("leakdrv.sys");
    expect(used).toBe(recordsOf(view).entries.find(({ heldPtes }) => heldPtes > 0n)!.heldPtes);
    expect(used + free).toBe(total);
  });

  it("6.6/18: who goes on taking PTEs is stopped when three quarters are in use, and not when all are", async () => {
    const slow = LEAK.replace("rate: 1000 per second", "rate: 40 per second");
    const without = await crashed(slow, { duration: "60 s" });
    const { event } = await stopUnder(PTE_TRACKING, slow, { duration: "60 s" });
    const [, used, free, total] = event.parameters;
    expect(free * 4n).toBeLessThanOrEqual(total);
    expect((free + 1n) * 4n).toBeGreaterThan(total);
    expect(used * 4n).toBeGreaterThanOrEqual(total * 3n);
    expect(without.event.stopCode).toBe(0x3f);
    expect(event.atSeconds).toBeLessThan(without.event.atSeconds * 0.9);
  });

  it("a driver that has taken a large share and keeps it is not stopped, nor the one that takes and gives back", async () => {
    const steady = `drivers:
  - { name: lanring.sys, behaviour: receive-ring, options: { rate: 1000 per second, buffers: 120, pages: 4 } }
  - { name: wlanring.sys, behaviour: receive-ring, options: { rate: 1000 per second, buffers: 80, pages: 4 } }
  - { name: netpump.sys, behaviour: map-and-unmap, options: { rate: 200 per second, pages: 8 } }`;
    const host = new EmulatedHost(labScenario(steady, { duration: "10 s" }));
    await host.restart("subject", { arm: PTE_TRACKING });
    expect(await untilItStops(host)).toMatchObject({ kind: "finished" });
  });

  it("6.6/17: a different stop while a check is armed is recorded as itself, and counted beside the first", async () => {
    const { host, event } = await secondStop(DISPATCH_FAULT, PTE_TRACKING);
    expect(event.stopCode).toBe(0xd1);
    const { state } = readDiagnosis(host.nonVolatile("subject"));
    expect([state.boot, state.stop?.stopCode]).toEqual([2, 0xd1]);
    expect(state.stops).toEqual([{ stopCode: 0xd1, count: 1, firstBoot: 1 }]);
  });

  it("checks are handed over by restart, and stay on until they step down", async () => {
    const { host } = await crashed(LEAK);
    await host.restart("subject", { arm: PTE_TRACKING });
    expect(host.console("subject")).toContain("armed: pte-tracking");
    expect(await host.nextEvent()).toMatchObject({ kind: "started", armed: PTE_TRACKING });
    await untilItStops(host);
    await host.restart("subject", { arm: [] });
    expect(await host.nextEvent()).toMatchObject({ kind: "started", armed: PTE_TRACKING });
  });

  it("special pool that held too little and found nothing is for a part of the drivers then, and the partition says so", async () => {
    const procedures = [0x19, 0xc5].map((stopCode) => ({
      ...{ stopCode, after: null },
      arm: [{ check: "special-pool", target: null }],
    }));
    const crowd = `drivers:
  - { name: lanmodem.sys, behaviour: use-after-free, options: { at: 2 s, access: write } }
  - { name: spooler.sys, behaviour: pool-churn, options: { rate: 2000 per second, outstanding: 1000 } }`;
    const { host } = await crashed(crowd, { procedures, seed: 4 });
    await host.restart("subject", { arm: [] });
    expect(host.selfDiagnosis("subject").armed).toMatchObject([{ check: "special-pool", target: null, isPart: false }]);
    expect(await untilItStops(host)).toMatchObject({ kind: "crashed", stopCode: 0xc5 });
    await host.restart("subject", { arm: [] });
    expect(host.selfDiagnosis("subject").armed).toMatchObject([
      { check: "special-pool", target: "spooler.sys", isPart: true },
    ]);
    expect(host.console("subject")).toContain("special-pool cannot be afforded: it is armed for spooler.sys");
  });

  it("a check that this kernel does not have is refused aloud", async () => {
    const { host } = await crashed(LEAK);
    await host.restart("subject", { arm: [{ check: "clairvoyance", target: null }] });
    expect(await host.nextEvent()).toMatchObject({ kind: "started", armed: [] });
    expect(host.console("subject")).toContain("not armed: this kernel has no check clairvoyance");
  });
});
