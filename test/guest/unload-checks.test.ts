import { describe, expect, it } from "vitest";
import { unloadedDriver } from "../../src/dumpfile/index.ts";
import { EmulatedHost } from "../../src/host/index.ts";
import { crashed, labScenario, stopUnder, untilItStops, type View } from "./lab.ts";

const FOR_ALL = [{ check: "unload-checks", target: null }];
const polling = (left: string, tidy = 1) => `drivers:
  - { name: polldrv.sys, behaviour: pending-at-unload, options: { left: ${left}, stays: 1 s, again: 300 ms, tidy: ${tidy} } }
  - { name: sensdrv.sys, behaviour: unload-leak, options: { left: 2, stays: 500 ms, again: 300 ms } }
  - { name: spooler.sys, behaviour: pool-churn, options: { rate: 300 per second } }`;

/** The drivers that were unloaded, the last one last. */
function unloaded(view: View) {
  const array = view.word(view.kdbg.mmUnloadedDrivers);
  return Array.from({ length: 50 }, (_, slot) => array + BigInt(slot * unloadedDriver.size))
    .filter((at) => view.word(at + 0x10n) !== 0n)
    .map((at) => ({ ...unloadedDriver.read(view.memory.read(at, unloadedDriver.size)), name: view.text(at) }));
}

const KINDS = [
  ["timer", 0xc7, 2n],
  ["dpc", 0xc7, 2n],
  ["work-item", 0xe4, 0n],
] as const;

describe("a driver that is unloaded with a call still to come", () => {
  it.each(KINDS)("stops with 0xCE when it comes, in the unloaded driver: %s", async (left) => {
    const { event, view, host } = await crashed(polling(left));
    const [address, access, instruction, unused] = event.parameters;
    expect([event.stopCode, access, instruction, unused]).toEqual([0xce, 8n, address, 0n]);
    const gone = unloaded(view).find(({ startAddress, endAddress }) => address >= startAddress && address < endAddress);
    expect(gone?.name).toBe("polldrv.sys");
    expect(host.console("subject").split("driver polldrv.sys unloaded")).toHaveLength(3);
    expect(host.counters().checkRecordsWritten).toBe(0);
  });

  it.each(KINDS)("is stopped before it goes, with unload checks: %s ends in %i", async (left, stopCode, kind) => {
    const { event, view, host } = await stopUnder(FOR_ALL, polling(left));
    const driver = view.modules.find(({ name }) => name === "polldrv.sys")!;
    const last = driver.dllBase + BigInt(driver.sizeOfImage) - 1n;
    expect([event.stopCode, event.parameters.toSpliced(1, 1)]).toEqual([stopCode, [kind, driver.dllBase, last]]);
    const named = event.parameters[1];
    const routine = stopCode === 0xe4 ? view.word(named + 0x10n) : named;
    expect(routine >= driver.dllBase && routine <= last).toBe(true);
    expect(host.console("subject").split("driver polldrv.sys unloaded")).toHaveLength(2);
  });

  it("is left alone while it takes everything back", async () => {
    const host = new EmulatedHost(labScenario(polling("timer", 1000), { duration: "10 s" }));
    await host.restart("subject", { arm: FOR_ALL });
    expect(await untilItStops(host)).toMatchObject({ kind: "finished" });
    expect(host.console("subject").split("driver polldrv.sys unloaded").length).toBeGreaterThan(5);
  });

  it("is looked at when the checks are armed for it, by name", async () => {
    const other = await stopUnder([{ check: "unload-checks", target: "sensdrv.sys" }], polling("timer"));
    expect(other.event.stopCode).toBe(0xce);
  });
});
