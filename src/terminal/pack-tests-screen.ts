import {
  type CaseResult,
  type Difference,
  hasFailed,
  markedWords,
  type PackTestRun,
  type RuleCoverage,
  wordDifference,
} from "../rules/index.ts";
import { counted, dim, green, printable, red, yellow } from "./style.ts";

/** What the tests beside the packs said. */
export function packTestsScreen({ packs, problems, passed }: PackTestRun): string {
  const cases = packs.flatMap((pack) => pack.cases);
  const kept = cases.filter((result) => result.passed);
  const todo = cases.filter((result) => result.todo !== null && !result.passed);
  const lacking = packs.flatMap((pack) => pack.coverage).filter(({ lacks }) => lacks.length > 0);
  return [
    ...problems.map(
      ({ where, message }) => `  ${red("problem")}   ${where.file}:${where.line}:${where.column}  ${message}`,
    ),
    ...cases
      .filter(hasFailed)
      .flatMap((result) => [
        `  ${red("failed")}    ${caseLine(result)}`,
        ...result.differences.flatMap(differenceLines),
      ]),
    ...todo.map((result) => `  ${yellow("todo")}      ${caseLine(result)}\n            ${printable(result.todo!)}`),
    ...kept
      .filter((result) => result.todo !== null)
      .map(
        (result) => `  ${yellow("holds")}     ${caseLine(result)}\n            it holds now: take its \`todo\` away`,
      ),
    ...lacking.map(({ rule, lacks }) => `  ${yellow("untested")}  ${rule} has not ${lacks.join(" and ")}`),
    [
      `  ${passed ? green("passed") : red("failed")}    ${counted(kept.length, "case")} of ${cases.length} in ${counted(packs.length, "pack")}`,
      ...(todo.length === 0 ? [] : [`${todo.length} todo`]),
    ].join(" · "),
  ].join("\n");
}

const caseLine = ({ rule, name, where }: CaseResult): string =>
  `${rule}: ${printable(name)}  ${dim(`${where.file}:${where.line}:${where.column}`)}`;

function differenceLines({ what, expected, actual }: Difference): string[] {
  const words = wordDifference(expected, actual);
  const side = (text: string) => printable(text).replaceAll("\n", `\n${" ".repeat(24)}`);
  return [
    `            ${what}`,
    `              expected  ${green(side(markedWords("expected", words)))}`,
    `              actual    ${red(side(markedWords("actual", words)))}`,
  ];
}

/** What no case shows of the rules: that they fire, that they stay quiet, and that each of their conditions matters. */
export function coverageScreen({ packs }: PackTestRun): string {
  return packs
    .flatMap(({ pack, coverage }) => {
      const gaps = coverage.flatMap(gapLines);
      const conditions = coverage.flatMap((rule) => rule.conditions);
      const matter = conditions.filter(({ decides }) => decides > 0).length;
      const whole = coverage.filter(({ fires, quiet }) => fires > 0 && quiet > 0).length;
      return [
        "",
        `  ${pack}: ${whole} of ${counted(coverage.length, "rule")} seen firing and quiet · ${matter} of ${counted(conditions.length, "condition")} decided a case`,
        ...gaps,
      ];
    })
    .join("\n");
}

function gapLines({ rule, fires, quiet, conditions }: RuleCoverage): string[] {
  const gaps = [
    ...(fires === 0 ? ["no case in which it fires"] : []),
    ...(quiet === 0 ? ["no case in which it stays quiet"] : []),
    ...conditions.filter(({ unmet }) => unmet === 0).map(({ text }) => `never false: ${dim(printable(text))}`),
    ...conditions
      .filter(({ unmet, decides }) => unmet > 0 && decides === 0)
      .map(({ text }) => `never alone false: ${dim(printable(text))}`),
  ];
  return gaps.length === 0 ? [] : [`    ${yellow(rule)}`, ...gaps.map((gap) => `      ${gap}`)];
}
