import { describe, expect, it } from "vitest";
import { sampleFamilies } from "./families.ts";
import { FLAWS, FlawedMachine } from "./flaws.ts";
import { type MachineKind, ShootdownMachine } from "./machine.ts";
import { flushList, flushSpace, read } from "./step.ts";
import { Trial } from "./trial.ts";

const families = sampleFamilies();

describe("shadow paging 1.4/20 to 27: no processor uses a stale translation after a flush that covers it", () => {
  it.each(families)("$name", ({ machine, cases, each }) => {
    const trial = new Trial(new ShootdownMachine(machine));
    each(trial.run);
    expect(trial.told).toEqual([]);
    expect(trial.cases).toBe(cases);
  });
});

describe("shootdown: a machine is caught that breaks the rule:", () => {
  it.each(FLAWS)("$rule", (flaw) => {
    const caught = families.some(({ machine, each }) => {
      if (machine.engine !== "shadow") return false;
      const trial = new Trial(new FlawedMachine(machine, flaw));
      each((steps) => trial.failures === 0 && trial.run(steps));
      return trial.failures > 0;
    });
    expect(caught).toBe(true);
  });

  it("and one that breaks none is not", () => {
    const [{ machine, each }] = families as [(typeof families)[number]];
    const trial = new Trial(new FlawedMachine(machine, { rule: "none" }));
    each(trial.run);
    expect(trial.failures).toBe(0);
  });
});

describe("shootdown: an idle processor", () => {
  const KIND: MachineKind = { engine: "shadow", processors: 3, identifiers: false, touched: false };

  it("runs no code of its engine and counts nothing while others flush it, and takes its word when it translates next", () => {
    const machine = new ShootdownMachine(KIND);
    machine.reset();
    for (let processor = 0; processor < 3; processor++) machine.perform(read(processor, 0));
    const idle = machine.engines[2]!;
    const { runs } = idle;
    const counters = idle.counters();
    for (let round = 0; round < 100; round++) {
      machine.perform(flushList(0, 0, 2, 7));
      machine.perform(flushSpace(2, 7));
      machine.perform(read(round % 2, 0));
    }
    expect(idle.runs).toBe(runs);
    expect(idle.counters()).toEqual(counters);
    expect(machine.wakes).toBe(0);
    machine.perform(read(2, 0));
    expect(idle.runs).toBe(runs + 2);
  });
});
