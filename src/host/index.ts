export type { FaultHarm, Procedure, SelfDiagnosis, SelfDiagnosisCheck, SelfDump } from "../guest/index.ts";
export { EmulatedHost, type EmulatedHostOptions } from "./emulated/emulated-host.ts";
export { loadScenario, parseScenario } from "./emulated/scenario/load.ts";
export { type Scenario, type ScenarioPartition, scenarioJsonSchema } from "./emulated/scenario/schema.ts";
export * from "./host.ts";
