import { describe, expect, it } from "vitest";
import { Random } from "../../src/binary/index.ts";
import { Numbers, PeriodicStreams, type StreamParameters } from "../../src/storage/index.ts";

const SECTORS = 10_000_000;
const taken = (streams: readonly StreamParameters[], count: number) => {
  const load = new PeriodicStreams(streams, SECTORS, new Random(3, "streams"), new Numbers());
  return Array.from({ length: count }, () => load.take());
};

describe("streams", () => {
  it("ask in the order in which their periods begin, each due at its period's end, each reading on", () => {
    const requests = taken(
      [
        { period: 100, sectors: 51 },
        { period: 250, sectors: 128 },
      ],
      700,
    );
    const arrivals = requests.map(({ arrival }) => arrival);
    expect(arrivals).toEqual(arrivals.toSorted((a, b) => a - b));
    for (const [owner, period] of [100, 250].entries()) {
      const own = requests.filter((request) => request.owner === owner);
      expect(own.length).toBeGreaterThanOrEqual(199);
      for (const [at, { arrival, deadline, sector }] of own.entries()) {
        expect(deadline - arrival).toBeCloseTo(period, 6);
        const before = own[at - 1];
        if (before === undefined) continue;
        expect(arrival - before.arrival).toBeCloseTo(period, 6);
        if (sector !== 0) expect(sector).toBe(before.sector + before.sectors);
      }
    }
  });

  it("vary in size as a film does, and have the same rate", () => {
    const sizes = taken([{ period: 500, sectors: 256, isVariable: true }], 20_000).map(({ sectors }) => sectors);
    const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
    const deviation = Math.sqrt(sizes.reduce((sum, size) => sum + (size - mean) ** 2, 0) / sizes.length);
    expect(mean).toBeGreaterThan(256 * 0.99);
    expect(mean).toBeLessThan(256 * 1.01);
    // Garrett and Willinger, SIGCOMM 1994: 27,791 bytes a frame, standard deviation 6,254, at most 78,459.
    expect(deviation / mean).toBeGreaterThan((6254 / 27_791) * 0.97);
    expect(deviation / mean).toBeLessThan((6254 / 27_791) * 1.03);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(Math.round((256 * 78_459) / 27_791));
    expect(new Set(sizes).size).toBeGreaterThan(100);
  });
});
