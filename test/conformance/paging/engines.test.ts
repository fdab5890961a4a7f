import { describe, expect, it } from "vitest";
import { AccessRun, type Invalidation } from "./access-run.ts";
import { LegalCombinations, type ProcessorKind } from "./conditions.ts";
import { ENGINES } from "./engines.ts";
import { sampleOf } from "./sample.ts";
import type { Levels } from "./subject.ts";
import { scenariosFor } from "./suites.ts";

const KIND: ProcessorKind = { maxPhysicalAddressBits: 36, protectionKeys: true };
const combinations = new LegalCombinations(KIND);
/** For each engine and number of levels; all of them are tried by `npm run conformance:paging`. */
const SAMPLE = 25_000;
const SMALL_SAMPLE = 2_000;

const subjects = Object.entries(ENGINES).flatMap(([engine, make]) =>
  ([4, 5] as const).map((levels: Levels) => ({ engine, levels, make: () => make(KIND, levels) })),
);

describe.each(subjects)("$engine with $levels levels", ({ levels, make }) => {
  it("meets a sample of the access.c conditions as the reference model does", () => {
    const run = new AccessRun(make(), levels);
    for (const conditions of sampleOf(combinations, SAMPLE, 0x5eed + levels)) run.try(conditions);
    expect(run.told).toEqual([]);
    expect(run.cases).toBe(SAMPLE);
  });

  it.each<Invalidation>(["INVPCID 0", "INVPCID 1", "INVPCID 2", "INVPCID 3", "MOV CR3"])(
    "meets them when %s and not INVLPG makes an end of the case before",
    (invalidation) => {
      const run = new AccessRun(make(), levels, invalidation);
      for (const conditions of sampleOf(combinations, SMALL_SAMPLE, 0xca5e + levels)) run.try(conditions);
      expect(run.told).toEqual([]);
    },
  );

  it.each(scenariosFor(make()))("$name", ({ run }) => {
    expect(run(make(), levels)).toEqual([]);
  });
});
