import type { Explanation, RuleDescription } from "../rules/index.ts";
import { findingLines } from "./diagnosis-screen.ts";
import { block } from "./facts-screen.ts";
import { bold, columns, dim, green, printable, red, yellow } from "./style.ts";

const outcomeText = {
  fire: green("fires"),
  quiet: dim("is quiet"),
  skip: yellow("is skipped"),
} as const;

const resultText = {
  holds: green("holds"),
  "does not hold": red("does not hold"),
  found: green("found"),
  "not found": red("not found"),
  unanswered: yellow("unanswered"),
} as const;

const DRAFT = "it is a draft: `diagnose` does not ask it until its status is `test` or `stable`";

/** Why a rule fired, or which of its conditions did not hold, with the values that were read. */
export function explainScreen(explanation: Explanation): string {
  const { rule, pack, summary, status, outcome, reason, requires, names, log, conditions, finding } = explanation;
  return [
    "",
    `  ${bold(`${pack}/${rule}`)} ${outcomeText[outcome]}${reason ? `: ${printable(reason)}` : ""}`,
    `  ${dim(summary)}`,
    ...(status === "draft" ? [`  ${yellow(DRAFT)}`] : []),
    "",
    ...requires.map(({ fact, present }) => `  needs ${fact}: ${present ? green("there") : red("missing")}`),
    ...log.flatMap(patternLines),
    ...columns(
      names.map(({ name, text, value }) => [`  ${name}`, `= ${printable(text)}`, dim(printable(value ?? "nothing"))]),
    ),
    ...conditions.flatMap(({ text, result, reason: why, values }) => [
      `  ${resultText[result]}  ${text}${why ? `  ${dim(printable(why))}` : ""}`,
      ...values.map(({ text: name, value }) => dim(`      ${name} = ${printable(value ?? "nothing")}`)),
    ]),
    ...(finding ? ["", ...findingLines(finding)] : []),
  ].join("\n");
}

/** How much of a line of the log is shown. */
const WIDTH = 200;

function patternLines({ match, unless, result, reason, line, captures }: Explanation["log"][number]): string[] {
  const asked = `${printable(match)}${unless ? ` unless ${printable(unless)}` : ""}`;
  return [
    `  ${resultText[result]}  ${asked}${reason ? `  ${dim(printable(reason))}` : ""}`,
    ...(line ? [dim(`      ${line.file ?? "log"}:${line.line}: ${printable(line.text.slice(0, WIDTH))}`)] : []),
    ...captures.map(({ name, text }) => dim(`      ${name} = ${printable(text ?? "nothing")}`)),
  ];
}

/** A rule as it is written: what it needs, when it fires, what it says then. */
export function ruleScreen(description: RuleDescription): string {
  const { rule, pack, status, severity, verdict, summary, requires, where, names } = description;
  const culprit = ({ kind, name }: { kind: string; name: string }) => `${name} (${kind})`;
  return [
    "",
    `  ${bold(`${pack}/${rule}`)}  ${status} · ${severity} · ${dim(`${where.file}:${where.line}`)}`,
    `  ${summary}`,
    ...(status === "draft" ? [`  ${yellow(DRAFT)}`] : []),
    "",
    ...block("needs", requires),
    ...block("log", description.log),
    ...block("names", columns(names.map(({ name, text }) => [name, `= ${text}`]))),
    ...block("when", description.when),
    ...block("verdict", [`${verdict}: ${description.title}`]),
    ...block("culprit", [culprit(description.culprit)]),
    ...block("bystander", description.bystander === null ? [] : [culprit(description.bystander)]),
    ...block("evidence", description.evidence),
    ...block("advice", [description.advice]),
    ...block(
      "arm",
      description.arm.map(({ check, target }) => (target === null ? check : `${check} for ${target}`)),
    ),
    "",
    dim(`  on a crash: stopcode rules explain ${rule} --crash CRASH`),
  ]
    .map(printable)
    .join("\n");
}
