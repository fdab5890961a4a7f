import { describe, expect, it } from "vitest";
import { LegalCombinations, type ProcessorKind } from "./conditions.ts";
import { accessRun, ENGINES } from "./engines.ts";
import { sampleOf } from "./sample.ts";
import type { Levels } from "./subject.ts";
import { scenariosFor, suitesFor } from "./suites.ts";
import { surroundingsOf } from "./surroundings.ts";

const KIND: ProcessorKind = { maxPhysicalAddressBits: 36, protectionKeys: true };
const combinations = new LegalCombinations(KIND);
/** For each engine and number of levels; all of them are tried by `npm run conformance:paging`. */
const SAMPLE = 25_000;
const SMALL_SAMPLE = 2_000;

const subjects = Object.entries(ENGINES).flatMap(([engine, make]) =>
  ([4, 5] as const).map((levels: Levels) => ({ engine, levels, make })),
);

describe.each(subjects)("$engine with $levels levels", ({ levels, make }) => {
  it.each(surroundingsOf(make(KIND, levels)))(
    "meets a sample of the access.c conditions as the reference model does: $name",
    (around) => {
      const size = around.stride === 1 ? SAMPLE : SMALL_SAMPLE;
      const run = accessRun(make, KIND, levels, around);
      for (const conditions of sampleOf(combinations, size, 0x5eed + levels)) run.try(conditions);
      expect(run.told).toEqual([]);
      expect(run.cases).toBe(size);
    },
  );

  it.each(scenariosFor(make(KIND, levels)))("$name", ({ run }) => {
    expect(run(make(KIND, levels), levels)).toEqual([]);
  });
});

describe("the suites have as many conditions as those they are after (paging.md A3)", () => {
  it.each(["walk", "tlb", "shadow"])("%s", (engine) => {
    const suites = suitesFor(ENGINES[engine]!(KIND, 4)).map(({ name, scenarios }) => [name, scenarios.length]);
    expect(Object.fromEntries(suites)).toMatchObject({
      "access.c, scenarios": 6,
      "pcid.c": 4,
      "smap.c": 18,
      "pku.c": 7,
      "vmx.c, ept_access": 26,
    });
  });
});
