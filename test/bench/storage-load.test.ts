import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { storageLoads } from "../../src/bench/storage-load.ts";
import { temporaryFolder } from "../stopcode.ts";
import { srt } from "../storage/traces/hp-srt.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

function loadOf(content: string | Uint8Array, sectors = 1000) {
  writeFileSync(folder.in("a.trace"), content);
  return storageLoads({ traces: [folder.in("a.trace")], seed: 1 }, sectors)[0]!;
}

describe("a trace as a load", () => {
  it("has its devices one after the other, in order of appearance, and their gaps", () => {
    const { name, demands, gaps } = loadOf("1.0 7 100 20 1\n2.5 3 50 10 0\n3.0 7 300 8 1\n7.0 3 0 4 1\n");
    expect(name).toBe("a.trace");
    // Device 7 ends at 308, where device 3 begins.
    expect(demands).toEqual([
      { sector: 100, sectors: 20, write: false },
      { sector: 308 + 50, sectors: 10, write: true },
      { sector: 300, sectors: 8, write: false },
      { sector: 308, sectors: 4, write: false },
    ]);
    expect([...gaps]).toEqual([0, 1.5, 0.5, 4]);
  });

  it("comes around at the disk's end, and asks for no more than the disk has", () => {
    const { demands } = loadOf("1.0 0 95 10 1\n2.0 0 500 300 1\n", 100);
    // 91 places for 10 sectors, one for 100.
    expect(demands.map(({ sector, sectors }) => [sector, sectors])).toEqual([
      [95 % 91, 10],
      [0, 100],
    ]);
  });

  it("has critical reads where machines page to, and no other", () => {
    const { demands } = loadOf(
      srt([
        { device: 14, flags: 1 },
        { device: 14, flags: 0 },
        { device: 8, flags: 1 },
      ]),
    );
    expect(demands.map((demand) => [demand.write, demand.class])).toEqual([
      [false, "critical"],
      [true, undefined],
      [false, undefined],
    ]);
  });
});
