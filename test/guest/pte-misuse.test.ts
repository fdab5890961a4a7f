import { describe, expect, it } from "vitest";
import { mappingRecord } from "../../src/dumpfile/index.ts";
import { EmulatedHost } from "../../src/host/index.ts";
import { holderOf, labScenario, stopUnder, untilItStops, type View } from "./lab.ts";

const CHECKED = [{ check: "pte-misuse", target: null }];

const misusing = (mistake: string) => `drivers:
  - { name: captdrv.sys, behaviour: misuse-mappings, options: { mistake: ${mistake}, at: 1 s, rate: 50 per second } }
  - { name: lanring.sys, behaviour: receive-ring, options: { rate: 200 per second, buffers: 48 } }`;

const recordAt = ({ memory }: View, address: bigint) => mappingRecord.read(memory.read(address, mappingRecord.size));

describe("system PTEs that are freed wrongly", () => {
  it.each(["freed-twice", "wrong-count", "wrong-address"])(
    "without the check, another driver meets it at DISPATCH_LEVEL, and the stop is 0xDB (%s)",
    async (mistake) => {
      const { event, view, host } = await stopUnder([], misusing(mistake));
      const [address, irql, access, instruction] = event.parameters;
      expect([event.stopCode, irql, access]).toEqual([0xdb, 2n, 1n]);
      expect(holderOf(view, instruction)).toBe("lanring.sys");
      const start = view.word(view.kdbg.mmSystemPtesStart);
      expect(address).toBeGreaterThanOrEqual(start);
      expect(address).toBeLessThan(view.word(view.kdbg.mmSystemPtesEnd));
      expect(host.counters().checkRecordsWritten).toBe(0);
    },
  );

  it("6.6/9: a mapping freed twice is 0xDA with 1 at the second free: its record, its MDL, and whose it is now", async () => {
    const { event, view, host } = await stopUnder(CHECKED, misusing("freed-twice"));
    const [kind, record, mdl, duplicate] = event.parameters;
    expect([event.stopCode, kind]).toEqual([0xda, 1n]);
    const freed = recordAt(view, record);
    expect(freed).toMatchObject({ state: 2, mdl, pages: 4 });
    expect(holderOf(view, freed.mappedBy)).toBe("captdrv.sys");
    expect(recordAt(view, duplicate).address).toBe(freed.address);
    expect(host.counters().checkRecordsWritten).toBeGreaterThan(100);
  });

  it("another number of pages is 0xDA with 2: what was mapped, and what was to be freed", async () => {
    const { event, view } = await stopUnder(CHECKED, misusing("wrong-count"));
    const [kind, record, mapped, wanted] = event.parameters;
    expect([event.stopCode, kind, mapped, wanted]).toEqual([0xda, 2n, 4n, 5n]);
    expect(recordAt(view, record)).toMatchObject({ state: 1, pages: 4 });
  });

  it("another address is 0xDA with 3: where the MDL is mapped, and what was to be freed", async () => {
    const { event, view } = await stopUnder(CHECKED, misusing("wrong-address"));
    const [kind, record, mapped, wanted] = event.parameters;
    expect([event.stopCode, kind, wanted - mapped]).toEqual([0xda, 3n, 0x1000n]);
    expect(recordAt(view, record).address).toBe(mapped);
  });

  it("drivers that free what they mapped are not stopped by the check", async () => {
    const sound = misusing("freed-twice").replace("at: 1 s", "at: 60 s");
    const host = new EmulatedHost(labScenario(sound));
    await host.restart("subject", { arm: CHECKED });
    expect(await untilItStops(host)).toMatchObject({ kind: "finished" });
  });
});
