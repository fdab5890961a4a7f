import { createEngine } from "../../../src/hypervisor/translation/create-engine.ts";
import type { EngineKind } from "../../../src/hypervisor/translation/engine.ts";
import { AccessRun } from "./access-run.ts";
import { type EngineMaker, EngineSubject } from "./engine-subject.ts";
import { ShadowSubject } from "./shadow-subject.ts";
import { type Levels, type SubjectMaker, type SubjectOptions, WalkerSubject } from "./subject.ts";
import type { Surroundings } from "./surroundings.ts";

export function makerOf(kind: EngineKind): EngineMaker {
  return (memory, state, maxPhysicalAddressBits) => createEngine(kind, { memory, state, maxPhysicalAddressBits });
}

function subjectsOf(kind: EngineKind): SubjectMaker {
  return (options, levels) => new EngineSubject(kind, makerOf(kind), options, levels);
}

/** Everything that translates addresses and has to meet every condition, by name. */
export const ENGINES: Readonly<Record<string, SubjectMaker>> = {
  walker: (options) => new WalkerSubject(options),
  walk: subjectsOf("walk"),
  tlb: subjectsOf("tlb"),
  shadow: (options, levels) => new ShadowSubject(options, levels),
};

/** Combinations of conditions to be tried in these surroundings, on a machine made for them, and on its neighbour where it has one. */
export function accessRun(make: SubjectMaker, kind: SubjectOptions, levels: Levels, around: Surroundings): AccessRun {
  const subject = make(kind, levels);
  return new AccessRun(subject, levels, around, around.neighbour ? make(kind, levels) : null);
}
