export { isWindows } from "./kernel.ts";
export { stopCodeName, stopCodes } from "./stop-codes.ts";
export { dumpFact, registerFact, type WindowsOptions, windowsFacts } from "./windows-facts.ts";
