import { CANONICAL } from "./canonical.ts";
import { PCID } from "./pcid.ts";
import { hasProcessor, PCID_CHECKS } from "./pcid-checks.ts";
import { PKU } from "./pku.ts";
import type { Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";
import { hasSecondLevel, SECOND_LEVEL } from "./second-level.ts";
import { SMAP } from "./smap.ts";
import type { Subject } from "./subject.ts";

/** Conditions that are not counted through but told, under the name of what they are after. */
export interface Suite {
  readonly name: string;
  readonly scenarios: readonly Scenario[];
}

/** Every suite that a subject of this kind has to pass. */
export function suitesFor(subject: Subject): readonly Suite[] {
  const forAll: readonly Suite[] = [
    { name: "access.c, scenarios", scenarios: SCENARIOS },
    { name: "flushes by identifier", scenarios: PCID },
    { name: "smap.c", scenarios: SMAP },
    { name: "pku.c", scenarios: PKU },
    { name: "la57.c", scenarios: CANONICAL },
  ];
  return [
    ...forAll,
    ...(hasProcessor(subject) ? [{ name: "pcid.c", scenarios: PCID_CHECKS }] : []),
    ...(hasSecondLevel(subject) ? [{ name: "vmx.c, ept_access", scenarios: SECOND_LEVEL }] : []),
  ];
}

export function scenariosFor(subject: Subject): readonly Scenario[] {
  return suitesFor(subject).flatMap(({ scenarios }) => scenarios);
}
