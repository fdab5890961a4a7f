import { listOf } from "../document/index.ts";
import type { GitCommit, LintResult, NewRule, PackSummary, RecordedCase, SignedFolder } from "../rules/index.ts";
import { bold, columns, counted, dim, green, printable, red, yellow } from "./style.ts";

/** What `rules list` shows. */
export function packsScreen(packs: readonly PackSummary[]): string {
  return packs
    .flatMap((pack) => [
      "",
      `  ${bold(pack.id)} ${pack.version} · ${pack.title} · ${counted(pack.rules.length, "rule")} · ${pack.owner}`,
      ...(pack.commit === null ? [] : [dim(`    ${commitText(pack.commit)}`)]),
      ...columns(pack.rules.map(({ id, status, severity, summary }) => [id, status, severity, dim(summary)])).map(
        (line) => `    ${line}`,
      ),
    ])
    .join("\n");
}

const commitText = ({ id, unchanged }: GitCommit): string =>
  `commit ${id.slice(0, 12)}${unchanged ? "" : ", and changed since or not in it"}`;

/** Everything wrong with packs, each with its line. */
export function lintScreen({ packs, problems, warnings }: LintResult): string {
  const sound = packs.map(({ id, rules }) => `  ${green("sound")}  ${id}: ${counted(rules.length, "rule")}`);
  const told = (word: string) => (problem: LintResult["problems"][number]) => {
    const { where, message, line, hint } = problem;
    return `  ${word}  ${where.file}:${where.line}:${where.column}  ${message}\n         ${dim(printable(line))}${hint ? `\n         ${hint}` : ""}`;
  };
  return [...sound, ...warnings.map(told(yellow("slow "))), ...problems.map(told(red("wrong")))].join("\n");
}

/** What was signed, and the key that others need to check it. */
export function signedScreen({ folder, files, publicKey }: SignedFolder): string {
  return [`  ${green("signed")}  ${counted(files.length, "file")} in ${folder}`, `          ${publicKey}`].join("\n");
}

/** What was written, and what comes next. */
export function newRuleScreen({ rule, file, tests, added }: NewRule): string {
  return [
    `  ${green(added ? "added" : "wrote")}  ${rule} in ${file}, its tests in ${tests}`,
    `  ${dim("next")}   change them, then: stopcode rules lint ${file} && stopcode rules test ${file}`,
  ].join("\n");
}

/** A case, to be put into a file of tests; or where it was put. */
export function recordedScreen({ case: recorded, text, file }: RecordedCase): string {
  if (file === null) return printable(listOf("cases", text).trimEnd());
  return `  ${green("recorded")}  ${recorded.rule}: ${printable(recorded.name)} (${recorded.expect}) in ${file}`;
}
