export type { RecordedCrash } from "./crash.ts";
export {
  type CrashDocument,
  type DiagnosisDocument,
  type DiagnosisTarget,
  diagnoseTarget,
  explainTarget,
  listHistory,
  type PackChoice,
  reaches,
  rulesOf,
  showCrash,
} from "./questions.ts";
export { recordTarget } from "./record.ts";
export { type RunEvent, type RunReport, runScenario } from "./run.ts";
export { readScenario } from "./scenario.ts";
