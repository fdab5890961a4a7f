import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { StopcodeError } from "../../../src/binary/index.ts";
import { readSyntheticWorkload, runSynthetic, type SyntheticFigures } from "../../../src/storage/index.ts";
import { type Distribution, draw } from "../../../src/storage/synthetic/distribution.ts";
import { Rand48 } from "../../../src/storage/synthetic/rand48.ts";
import { sharedData, withPeers } from "../../peers.ts";
import { temporaryFolder } from "../../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const SERVICE = 10;

interface Generator {
  readonly pause: number;
  readonly critical: number;
  readonly limited: number;
}

/** A workload on disks that take `SERVICE` milliseconds for anything. */
function workloadFile(generators: readonly Generator[], processors: number, requests: number, change = ""): string {
  const file = folder.in("workload.parv");
  const generator = ({ pause, critical, limited }: Generator, index: number) => `disksim_synthgen {
    Storage capacity per device = 100000, devices = [ disk${index} ], Blocking factor = 8,
    Probability of sequential access = 0.2, Probability of local access = 0.3, Probability of read access = 0.66,
    Probability of time-critical request = ${critical}, Probability of time-limited request = ${limited},
    Time-limited think times = [ normal, 30.0, 100.0 ],
    General inter-arrival times = [ exponential, 0.0, ${pause} ],
    Sequential inter-arrival times = [ exponential, 0.0, ${pause} ],
    Local inter-arrival times = [ exponential, 0.0, ${pause} ],
    Local distances = [ normal, 0.0, 40000.0 ], Sizes = [ exponential, 0.0, 8.0 ] }`;
  const text = `disksim_global Global { Init Seed = 42, Real Seed = 42 }
    disksim_iodriver DRIVER0 { type = 1, Scheduler = disksim_ioqueue { Scheduling policy = 3,
      Scheduling priority scheme = 0 } }
    disksim_ctlr CTLR0 { type = 1 }
    disksim_simpledisk SD0 { Block count = 100000, Access time = ${SERVICE - 0.5}, Command overhead = 0.5 }
    instantiate [ disk0 .. disk9 ] as SD0
    disksim_logorg org0 { Addressing mode = Parts, Distribution scheme = Asis, Redundancy scheme = Noredun }
    disksim_pf Proc { Number of processors = ${processors} }
    disksim_synthio Synthio { Number of I/O requests to generate = ${requests}, Maximum time of trace generated = 1e9,
      System call/return with each request = 0, Generators = [ ${generators.map(generator).join(",\n")} ] }`;
  const [from, to] = change.split(" -> ");
  writeFileSync(file, to === undefined ? text : text.replace(from!, to));
  return file;
}

function run(generators: readonly Generator[], processors: number, requests: number): SyntheticFigures {
  return runSynthetic(readSyntheticWorkload(workloadFile(generators, processors, requests))!);
}

describe("random numbers", () => {
  it.each([
    // glibc 2.36: srand48, then drand48, printed with %.17g.
    [0, "0.17082803610628972 0.74990198048496381 0.09637165562356742 0.87046522702707563"],
    [42, "0.74452500006100664 0.34270147871890799 0.11108528244416149 0.42233895798830901"],
    [1_000_003, "0.09190055060117075 0.32791703855352239 0.87425169073152276 0.070145760985674599"],
  ] as const)("are those of drand48, from the seed %i", (seed, printed) => {
    const random = new Rand48(seed);
    for (const value of printed.split(" ")) expect(random.next()).toBe(Number(value));
  });

  it.each([
    [["uniform", 2, 6], 4, 16 / 12],
    [["exponential", 1, 5], 6, 25],
    [["normal", 30, 10], 30, 100],
    [["poisson", 2, 7], 9, 7],
    [["twovalue", 1, 3, 0.25], 1.5, 0.75],
  ] as const)("of the distribution %j have its mean and its variance", (distribution, mean, variance) => {
    const random = new Rand48(7);
    const values = Array.from({ length: 100_000 }, () => draw(distribution as unknown as Distribution, random));
    const found = values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(Math.abs(found - mean)).toBeLessThan(5 * Math.sqrt(variance / values.length));
    const spread = values.reduce((sum, value) => sum + (value - found) ** 2, 0) / values.length;
    expect(spread / variance).toBeGreaterThan(0.96);
    expect(spread / variance).toBeLessThan(1.04);
  });
});

describe("a synthetic workload", () => {
  it.each([15, 20, 40])(
    "that waits for nothing, %i ms apart, waits in the queue as Pollaczek and Khinchine say",
    (pause) => {
      const load = SERVICE / pause;
      const { mean, requests } = run([{ pause, critical: 0, limited: 0 }], 1, 200_000);
      expect(requests).toBeGreaterThan(199_900);
      expect(mean / (SERVICE + (load * SERVICE) / (2 * (1 - load)))).toBeCloseTo(1, 1.6);
    },
  );

  it("whose processes wait for every answer never waits for one another on disks of their own", () => {
    const { mean, until, requests } = run(Array(3).fill({ pause: 0, critical: 1, limited: 0 }), 3, 3000);
    expect(mean).toBe(SERVICE);
    expect(until).toBeCloseTo((requests / 3) * SERVICE, -1.5);
  });

  it("has as many processes at work as there are processors, where none ever waits", () => {
    const generators = Array(3).fill({ pause: 50, critical: 0, limited: 0 });
    expect(run(generators, 1, 6000).until / (6000 * 50)).toBeCloseTo(1, 1);
    expect(run(generators, 3, 6000).until / (2000 * 50)).toBeCloseTo(1, 1);
  });

  it("lets a process go on where its patience outlasts the answer", () => {
    // A patience of 10^6 ms never ends before the answer: no process ever waits.
    const file = workloadFile([{ pause: 50, critical: 0, limited: 1 }], 1, 4000, "normal, 30.0 -> normal, 1e6");
    expect(runSynthetic(readSyntheticWorkload(file)!).until / (4000 * 50)).toBeCloseTo(1, 1);
  });

  it.each([
    ["Scheduling policy = 3 -> Scheduling policy = 8", "disk/workload", "scheduling policy is 8"],
    ["Distribution scheme = Asis -> Distribution scheme = Striped", "disk/workload", "array of disks"],
    ["disksim_ctlr CTLR0 { type = 1 } -> disksim_ctlr CTLR0 { type = 3 }", "disk/workload", "has a cache"],
    ["as SD0 -> as SD1", "disk/workload", "is no disk"],
    ["disk0 .. disk9 -> disk9 .. disk0", "disk/syntax", "names -8 parts"],
    ["as SD0 -> of SD0", "disk/syntax", "expected `as`"],
    ["Blocking factor = 8 -> Blocking factor = 80000", "disk/parameters", "smaller than two blocks"],
    ["normal, 0.0, 40000.0 -> abnormal, 0.0, 40000.0", "disk/parameters", "Local distances"],
  ])("that needs what is not there is refused: %s", (change, code, message) => {
    const file = workloadFile([{ pause: 50, critical: 0, limited: 0 }], 1, 10, change);
    try {
      readSyntheticWorkload(file);
    } catch (error) {
      expect(error).toBeInstanceOf(StopcodeError);
      const { where, hint } = error as StopcodeError;
      expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
      expect(where).toMatchObject({ file });
      expect(hint).toBeTruthy();
      return;
    }
    expect.unreachable("it was read");
  });

  // What DiskSim 4.0 says of them, built and run: the first to the microsecond, for there its disk model has no part in it.
  withPeers({ data: "traces/INDEX.md" }).it.each([
    ["synthsimpledisk", 10_002, 13.711596, 1e-6],
    ["3disks", 9999, 10.937386, 0.01 * 10.937386],
  ] as const)("is answered as by DiskSim: %s", (name, requests, mean, most) => {
    const figures = runSynthetic(readSyntheticWorkload(sharedData(`traces/disksim-valid/${name}.parv`))!);
    expect(figures.requests).toBe(requests);
    expect(Math.abs(figures.mean - mean)).toBeLessThan(most);
  });
});
