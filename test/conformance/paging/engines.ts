import { createEngine } from "../../../src/hypervisor/translation/create-engine.ts";
import type { EngineKind } from "../../../src/hypervisor/translation/engine.ts";
import { type EngineMaker, EngineSubject } from "./engine-subject.ts";
import { type SubjectMaker, WalkerSubject } from "./subject.ts";

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
  shadow: subjectsOf("shadow"),
};
