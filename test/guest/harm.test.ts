import { describe, expect, it } from "vitest";
import { EmulatedHost } from "../../src/host/index.ts";
import { labScenario, type stopUnder, untilItStops } from "./lab.ts";

const drivers = (name: string, options: string, more = "") => `drivers:
  - { name: faulty.sys, behaviour: ${name}, options: { ${options} } }
  - { name: spooler.sys, behaviour: pool-churn, options: { rate: 300 per second, outstanding: 60 } }${more}`;

const SERVED = `
processes:
  - { name: recorder.exe, memory: 128 KiB, requests: { drivers: [faulty.sys], rate: 20 per second, lifetime: 2 s } }`;
const RING = `
  - { name: lanring.sys, behaviour: receive-ring, options: { rate: 200 per second, buffers: 48 } }`;

const pool = [{ check: "special-pool", target: null }];

/** What a session's fault had done when it stopped, or when its time was over. */
async function harmOf(text: string, arm: Parameters<typeof stopUnder>[0] = [], seed = 1) {
  const host = new EmulatedHost(labScenario(text), { seed });
  await host.restart("subject", { arm });
  const event = await untilItStops(host);
  return { host, harm: host.harm("subject"), stoppedAt: event.kind === "crashed" ? event.atSeconds : null };
}

describe("a fault begins when something is wrong first", () => {
  it.each([
    ["double-free", "at: 2 s, late: 200 ms", "", 2.2, 2.6],
    ["wrong-tag-free", "at: 2 s", "", 2, 2.3],
    ["pool-leak", "rate: 10 per second", "", 0, 0.2],
    ["unload-leak", "left: 1, stays: 2 s, size: 262144", "", 2, 2.3],
    ["pending-at-unload", "stays: 1 s, again: 300 ms, tidy: 1", "", 2.3, 2.8],
    ["direct-io", "mistake: left-locked, at: 3 s, oneIn: 1", SERVED, 3, 3.4],
    ["direct-io", "mistake: unlocked-twice, at: 3 s, oneIn: 1", SERVED, 3, 3.4],
    ["misuse-mappings", "mistake: freed-twice, at: 2 s, late: 500 ms", "", 2.5, 2.8],
    ["misuse-mappings", "mistake: wrong-count, at: 2 s", "", 2, 2.3],
    ["misuse-mappings", "mistake: wrong-address, at: 2 s", "", 2, 2.3],
    ["pageable-at-dispatch", "at: 6 s", "", 0, 0.2],
  ])("%s with %s", async (name, options, more, earliest, latest) => {
    const { harm } = await harmOf(drivers(name, options, more));
    expect(harm?.begunAtSeconds).toBeGreaterThan(earliest);
    expect(harm?.begunAtSeconds).toBeLessThan(latest);
  });

  it.each([
    ["double-free", "at: 60 s", ""],
    ["wrong-tag-free", "at: 60 s", ""],
    ["unload-leak", "left: 0, stays: 1 s, again: 300 ms", ""],
    ["pending-at-unload", "stays: 1 s, again: 300 ms, tidy: 1000", ""],
    ["direct-io", "mistake: none", SERVED],
    ["misuse-mappings", "at: 60 s", ""],
  ])("and never where a driver does as it should: %s with %s", async (name, options, more) => {
    expect(await harmOf(drivers(name, options, more))).toMatchObject({ harm: null, stoppedAt: null });
  });
});

describe("6.6/19: what a fault takes from others", () => {
  it("is a block that a second free gives back from under who has it by then, and nothing in special pool", async () => {
    const text = drivers("double-free", "at: 1 s, late: 200 ms, size: 200");
    const runs = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => harmOf(text, [], seed)));
    const taken = runs.map(({ harm }) => harm!.bytesOfOthers);
    // A block that nobody has had meanwhile is nobody's: the pool stops there.
    expect(new Set(taken.map((bytes) => bytes % 200))).toEqual(new Set([0]));
    expect(Math.max(...taken)).toBeGreaterThanOrEqual(200);
    expect((await harmOf(text, pool)).harm).toMatchObject({ bytesOfOthers: 0 });
  });

  it.each(["freed-twice", "wrong-count", "wrong-address"])(
    "are entries of system PTEs that others map by, and none when each free is checked: %s",
    async (mistake) => {
      const text = drivers("misuse-mappings", `mistake: ${mistake}, at: 1 s, rate: 50 per second`, RING);
      const without = await harmOf(text);
      expect(without.harm!.bytesOfOthers).toBeGreaterThanOrEqual(8);
      expect(without.harm!.bytesOfOthers % 8).toBe(0);
      expect((await harmOf(text.replace(RING, ""))).harm).toMatchObject({ bytesOfOthers: 0 });
      const checked = await harmOf(text, [{ check: "pte-misuse", target: null }]);
      expect(checked.harm).toMatchObject({ bytesOfOthers: 0, begunAtSeconds: checked.stoppedAt });
    },
  );
});
