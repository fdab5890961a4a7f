export { type AnalyzeOptions, analyze } from "./analyze.ts";
export { bucketOf, normalFunction, normalTitle } from "./bucket.ts";
export * from "./facts.ts";
export { linuxFacts } from "./linux/index.ts";
export { readLogFile } from "./log-file.ts";
export { stopCodeName, stopCodes, type WindowsOptions, windowsFacts } from "./nt/index.ts";
