import { CANONICAL } from "./canonical.ts";
import { PCID } from "./pcid.ts";
import { PKU } from "./pku.ts";
import type { Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";
import { hasSecondLevel, SECOND_LEVEL } from "./second-level.ts";
import { SMAP } from "./smap.ts";
import type { Subject } from "./subject.ts";

/** Everything that is not counted through but told, for a subject of this kind. */
export function scenariosFor(subject: Subject): readonly Scenario[] {
  const forAll = [...SCENARIOS, ...PCID, ...SMAP, ...PKU, ...CANONICAL];
  return hasSecondLevel(subject) ? [...forAll, ...SECOND_LEVEL] : forAll;
}
