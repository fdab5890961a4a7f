import { describe, expect, it } from "vitest";
import { eprocess, lockRecord } from "../../src/dumpfile/index.ts";
import { memoryDescriptorList } from "../../src/guest/kernel/memory-descriptor-list.ts";
import { EmulatedHost } from "../../src/host/index.ts";
import { holderOf, labScenario, stopUnder, untilItStops, type View, viewOf } from "./lab.ts";

const TRACKING = [{ check: "locked-page-tracking", target: null }];

const serving = (mistake: string, more = "") => `drivers:
  - { name: framegrb.sys, behaviour: direct-io, options: { mistake: ${mistake}, at: 1 s, oneIn: 5 } }
  - { name: soundio.sys, behaviour: direct-io }${more}
processes:
  - name: recorder.exe
    memory: 128 KiB
    requests: { drivers: [framegrb.sys, soundio.sys], rate: 20 per second, lifetime: 2 s }`;

/** While the camera has pages of the process locked, a count of the process alone shows nothing. */
const CROWD = serving(
  "unlocked-twice",
  "\n  - { name: camera.sys, behaviour: direct-io, options: { transfer: 200 ms } }",
).replace("soundio.sys], rate", "soundio.sys, camera.sys], rate");

const lockedPagesOf = ({ memory }: View, process: bigint) =>
  eprocess.read(memory.read(process, eprocess.size)).numberOfLockedPages;

describe("pages that a driver leaves locked", () => {
  it("a process that ends with pages locked is 0x76: the process, how many, and nobody's name", async () => {
    const { event, view, host } = await stopUnder([], serving("left-locked"));
    const [kind, process, pages, stacks] = event.parameters;
    expect([event.stopCode, kind, stacks]).toEqual([0x76, 0n, 0n]);
    expect(pages).toBeGreaterThan(0n);
    expect(lockedPagesOf(view, process)).toBe(pages);
    expect(view.processes.find(({ object }) => object === process)?.imageFileName).toBe("recorder.exe");
    expect(host.counters().checkRecordsWritten).toBe(0);
  });

  it("6.6/8: under tracking it is 0xCB, with the driver, its MDL and the process's count of locked pages", async () => {
    const { event, view, host } = await stopUnder(TRACKING, serving("left-locked"));
    const [record, reserved, mdl, pages] = event.parameters;
    expect([event.stopCode, reserved]).toEqual([0xcb, 0n]);
    const lock = lockRecord.read(view.memory.read(record, lockRecord.size));
    expect(lock.mdl).toBe(mdl);
    expect(holderOf(view, lock.caller)).toBe("framegrb.sys");
    expect(view.memory.read(lock.caller - 5n, 1)[0]).toBe(0xe8); // behind a call
    expect(lockedPagesOf(view, lock.process)).toBe(pages);
    const list = memoryDescriptorList.read(view.memory.read(mdl, memoryDescriptorList.size));
    expect(list.process).toBe(lock.process);
    expect(list.byteCount).toBe(lock.pages * 4096);
    expect(pages).toBeGreaterThanOrEqual(BigInt(lock.pages));
    expect(host.counters().checkRecordsWritten).toBeGreaterThan(10);
  });
});

describe("pages that a driver unlocks twice", () => {
  it("without tracking, the count of the process or that of the page is wrong some time: 0x76 with 1, or 0x4E with 7", async () => {
    const seen = new Set<number>();
    for (let seed = 1; seed <= 8; seed++) {
      const host = new EmulatedHost(labScenario(CROWD), { seed });
      const event = await untilItStops(host);
      if (event.kind !== "crashed") throw new Error("the guest did not stop");
      expect([0x76, 0x4e]).toContain(event.stopCode);
      expect(event.parameters[0]).toBe(event.stopCode === 0x4e ? 7n : 1n);
      seen.add(event.stopCode);
    }
    expect(seen).toEqual(new Set([0x4e, 0x76]));
  });

  it("under tracking the second unlock is 0x76 with 1, whatever else is locked", async () => {
    const { event, view } = await stopUnder(TRACKING, serving("unlocked-twice"));
    const [kind, mdl, , records] = event.parameters;
    expect([event.stopCode, kind]).toEqual([0x76, 1n]);
    const first = lockRecord.read(view.memory.read(records, lockRecord.size));
    expect(first.mdl).not.toBe(mdl);
    for (let seed = 1; seed <= 8; seed++) {
      const host = new EmulatedHost(labScenario(CROWD), { seed });
      await host.restart("subject", { arm: TRACKING });
      expect(await untilItStops(host)).toMatchObject({ kind: "crashed", stopCode: 0x76 });
    }
  });
});

describe("a driver that unlocks what it locks", () => {
  it("harms nothing, with tracking and without: processes come and go", async () => {
    for (const arm of [[], TRACKING]) {
      const host = new EmulatedHost(labScenario(serving("none"), { duration: "12 s" }));
      await host.restart("subject", { arm });
      expect(await untilItStops(host)).toMatchObject({ kind: "finished" });
      const names = viewOf(host).processes.map(({ imageFileName }) => imageFileName);
      expect(names.filter((name) => name === "recorder.exe").length).toBeLessThanOrEqual(1);
    }
  });
});
