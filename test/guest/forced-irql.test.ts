import { describe, expect, it } from "vitest";
import { FORCED_IRQL_EXPORT, forcedIrql } from "../../src/dumpfile/index.ts";
import { EmulatedHost } from "../../src/host/index.ts";
import { crashed, labScenario, stopUnder, untilItStops, type View } from "./lab.ts";
import { exportsOf } from "./unwind-twin.ts";

const FOR_ALL = [{ check: "force-irql", target: null }];
const BYSTANDERS = `
  - { name: spooler.sys, behaviour: pool-churn, options: { rate: 100 per second } }
  - { name: mailidx.sys, behaviour: pageable-table, options: { rate: 100 per second, pages: 8 } }`;
const LOCKED = `drivers:
  - { name: routeidx.sys, behaviour: pageable-at-dispatch, options: { at: 60 min } }${BYSTANDERS}`;
const TIDY = `drivers:
  - { name: badge.sys, behaviour: null-dereference, options: { at: 3 s } }${BYSTANDERS}`;

function recordsOf({ modules, memory }: View) {
  const base = modules[0]!.dllBase;
  const rva = exportsOf((at, bytes) => memory.read(base + BigInt(at), bytes)).get(FORCED_IRQL_EXPORT)!;
  return forcedIrql.read(memory.read(base + BigInt(rva), forcedIrql.size));
}

describe("forced IRQL checking", () => {
  it("6.6/16: pageable memory touched at DISPATCH_LEVEL fails at once, though the page is in memory", async () => {
    const { event, view } = await stopUnder(FOR_ALL, LOCKED);
    const [address, irql, access, instruction] = event.parameters;
    expect([event.stopCode, irql, access]).toEqual([0xd1, 2n, 0n]);
    const driver = view.modules.find(({ name }) => name === "routeidx.sys")!;
    expect(instruction - driver.dllBase).toBeLessThan(BigInt(driver.sizeOfImage));
    const entry = view.word(view.kdbg.pteBase + (BigInt.asUintN(48, address) >> 12n) * 8n);
    expect(entry & 0xc01n).toBe(0x800n); // not valid, not a prototype, Transition
    const frame = Number(BigInt.asUintN(36, entry >> 12n));
    expect(view.physical.read(frame * 4096, 4096)).toHaveLength(4096);
    const { raises, pages, pageableStart, pageableEnd, raisedAt } = recordsOf(view);
    expect(pages).toBeGreaterThanOrEqual(raises);
    expect(address >= pageableStart && address < pageableEnd).toBe(true);
    const places = new BigUint64Array(raisedAt.slice().buffer).slice(0, 2);
    expect(places.some((at) => at >= driver.dllBase && at < driver.dllBase + BigInt(driver.sizeOfImage))).toBe(true);
  });

  it("6.6/16: without the check the same driver runs on, for the page is in memory", async () => {
    const host = new EmulatedHost(labScenario(LOCKED, { duration: "10 s" }));
    expect(await untilItStops(host)).toMatchObject({ kind: "finished" });
  });

  it("is for the driver it is armed for", async () => {
    const host = new EmulatedHost(labScenario(LOCKED, { duration: "5 s" }));
    await host.restart("subject", { arm: [{ check: "force-irql", target: "mailidx.sys" }] });
    expect(await untilItStops(host)).toMatchObject({ kind: "finished" });
    await host.restart("subject", { arm: [{ check: "force-irql", target: "RouteIdx.sys" }] });
    expect(await untilItStops(host)).toMatchObject({ stopCode: 0xd1 });
  });

  it("leaves drivers alone that touch pageable memory below DISPATCH_LEVEL, and raise IRQL for other things", async () => {
    const { event, host, view } = await stopUnder(FOR_ALL, TIDY);
    expect(event.stopCode).toBe(0x50);
    const { raises, pages } = recordsOf(view);
    expect(raises).toBeGreaterThan(100n);
    expect(pages).toBeGreaterThan(100n);
    expect(host.counters().checkRecordsWritten).toBe(Number(raises));
  });

  it("6.6/3: does nothing while it is not armed", async () => {
    const { host, view } = await crashed(TIDY);
    expect(host.counters().checkRecordsWritten).toBe(0);
    expect(recordsOf(view)).toMatchObject({ raises: 0n, pages: 0n, pageableStart: 0n, pageableEnd: 0n });
  });
});
