export { type CatalogueReading, readCatalogue, shippedCatalogue } from "./catalogue.ts";
export { catalogueJsonSchema, type StopCodeEntry } from "./catalogue-schema.ts";
export { type Check, checkNames, checks } from "./checks.ts";
export { type ConditionExplanation, type Explanation, explainRule } from "./explain.ts";
export { factFunctions } from "./fact-functions.ts";
export * from "./finding.ts";
export type { GitCommit } from "./git-commit.ts";
export { writeJUnit } from "./junit.ts";
export { LiteralSearch } from "./literal-search.ts";
export { loadPacks, readPacks } from "./loader.ts";
export { searchLog } from "./log-search.ts";
export { diagnose } from "./matcher.ts";
export { type NewRule, newRule } from "./new-rule.ts";
export { readPack } from "./pack.ts";
export type { ConditionCoverage, RuleCoverage } from "./pack-coverage.ts";
export { packJsonSchema } from "./pack-schema.ts";
export { shippedPacks } from "./pack-sources.ts";
export {
  type CaseResult,
  type Difference,
  differenceText,
  hasFailed,
  type PackTestResult,
  type PackTestRun,
  testPacks,
} from "./pack-test.ts";
export { type ProcedureStage, procedureTable } from "./procedure.ts";
export { type RecordedCase, recordCase } from "./record-case.ts";
export type { Rule, RulePack } from "./rule.ts";
export { describeRule, type RuleDescription } from "./rule-description.ts";
export { isRuleName, ruleNamed } from "./rule-named.ts";
export { type SignedFolder, signFolder } from "./signed-folder.ts";
export { explainStopCode, type StopCodeExplanation } from "./stop-code-explanation.ts";
export { type LintResult, lintPacks, listPacks, type PackSummary } from "./summary.ts";
export { packTestJsonSchema } from "./test-case.ts";
export { markedWords, wordDifference } from "./word-difference.ts";
