export { listOf, withEntry } from "./append.ts";
export type { DocumentKind } from "./kind.ts";
export { didYouMean } from "./nearest.ts";
export type { Path } from "./place.ts";
export {
  byPlace,
  type DocumentPlace,
  type DocumentProblem,
  isProblems,
  problemText,
  refusal,
} from "./problem.ts";
export { checkShape } from "./shape.ts";
export { readText } from "./text-file.ts";
export { replaceText, writeNew } from "./write.ts";
export { parseYaml, type YamlDocument } from "./yaml-document.ts";
