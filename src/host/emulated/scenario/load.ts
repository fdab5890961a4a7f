import {
  byPlace,
  checkShape,
  type DocumentKind,
  isProblems,
  parseYaml,
  readText,
  refusal,
} from "../../../document/index.ts";
import { contradictions } from "./contradictions.ts";
import { type Scenario, scenarioSchema } from "./schema.ts";

const scenarioKind: DocumentKind = { name: "scenario", prefix: "scenario" };

/**
 * Reads and checks a scenario file.
 * @throws StopcodeError `io/open` when it cannot be read; `scenario/…` with file, line and column of what is wrong in it
 */
export function loadScenario(file: string): Scenario {
  return parseScenario(readText(scenarioKind, file), file);
}

/** The same for a text that is at hand; `file` is how errors call it. */
export function parseScenario(text: string, file: string): Scenario {
  const parsed = parseYaml(scenarioKind, file, text);
  if ("problems" in parsed) throw refusal(parsed.problems, "a scenario is one plain YAML document");
  const { document } = parsed;
  const shaped = checkShape(document, scenarioSchema);
  if ("problems" in shaped) {
    throw refusal(shaped.problems, "`fixtures/scenarios/scenario.schema.json` says what a scenario may hold");
  }
  const contradictory = contradictions(shaped.value)
    .map(({ code, message, path, hint }) => document.problem(code, message, path, { pointsAt: "key", hint }))
    .sort(byPlace);
  if (isProblems(contradictory)) throw refusal(contradictory);
  return shaped.value;
}
