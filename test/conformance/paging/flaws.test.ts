import { describe, expect, it } from "vitest";
import { LegalCombinations, type ProcessorKind } from "./conditions.ts";
import { type EngineMaker, EngineSubject } from "./engine-subject.ts";
import { accessRun, makerOf } from "./engines.ts";
import { FLAWS, FlawedWalker } from "./flaws.ts";
import { FLUSHES, ForgetfulEngine } from "./forgetful-engine.ts";
import { sampleOf } from "./sample.ts";
import type { SubjectMaker } from "./subject.ts";
import { scenariosFor } from "./suites.ts";
import { surroundingsOf } from "./surroundings.ts";

const KIND: ProcessorKind = { maxPhysicalAddressBits: 36, protectionKeys: true };
const combinations = new LegalCombinations(KIND);
const SAMPLE = 20_000;

/** The first combination that is not as the reference model says, in words; null when all are. */
function wrongCombination(make: SubjectMaker): string | null {
  const [around] = surroundingsOf(make(KIND, 4));
  const run = accessRun(make, KIND, 4, around!);
  for (const conditions of sampleOf(combinations, SAMPLE, 1)) {
    run.try(conditions);
    if (run.failures > 0) return run.told[0]!;
  }
  return null;
}

/** The first scenario that does not go as it must, in words. */
function wrongScenario(make: SubjectMaker): string | null {
  for (const { name, run } of scenariosFor(make(KIND, 4))) {
    const [problem] = run(make(KIND, 4), 4);
    if (problem !== undefined) return `${name}: ${problem}`;
  }
  return null;
}

describe("a walker is caught that breaks the rule:", () => {
  it.each(FLAWS)("$rule", (flaw) => {
    const make: SubjectMaker = (options) => new FlawedWalker(options, flaw);
    expect(wrongCombination(make) ?? wrongScenario(make)).not.toBeNull();
  });

  it("and one that breaks none is not", () => {
    const make: SubjectMaker = (options) => new FlawedWalker(options, { rule: "none" });
    expect(wrongCombination(make) ?? wrongScenario(make)).toBeNull();
  });
});

describe.each(["tlb", "shadow"] as const)("the engine %s is caught when it does not flush for", (kind) => {
  it.each(FLUSHES)("%s", (forgotten) => {
    const makeForgetful: EngineMaker = (memory, state, bits) =>
      new ForgetfulEngine(makerOf(kind)(memory, state, bits), state, forgotten);
    expect(
      wrongScenario((options, levels) => new EngineSubject("forgetful", makeForgetful, options, levels)),
    ).not.toBeNull();
  });
});
