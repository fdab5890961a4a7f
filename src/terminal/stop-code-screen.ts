import type { StopCodeExplanation } from "../rules/index.ts";
import { block } from "./facts-screen.ts";
import { bold, columns, dim, wrap } from "./style.ts";

const WIDTH = 110;
const VALUES_SHOWN = 4;

/** Texts below each other, each broken at the width and then indented. */
const texts = (each: readonly string[]): string[] => each.flatMap((text) => wrap(text, WIDTH, "  ").split("\n"));

/** Rows whose last column is broken below itself, so that the whole is as wide as the texts. */
function table(rows: readonly (readonly string[])[]): string[] {
  const before = Math.max(0, ...rows.map((row) => row.slice(0, -1).join("  ").length + 2));
  return columns(
    rows.flatMap((row) => {
      const [first, ...more] = wrap(row.at(-1)!, WIDTH - before).split("\n");
      return [[...row.slice(0, -1), first!], ...more.map((line) => [...row.slice(0, -1).fill(""), line])];
    }),
  );
}

const upper = (code: string): string => `0x${code.slice(2).toUpperCase()}`;

/** A few values of a case; it may have dozens. */
const listed = (values: readonly string[]): string =>
  values.length <= VALUES_SHOWN
    ? values.join(", ")
    : `${values.slice(0, VALUES_SHOWN - 1).join(", ")} and ${values.length - VALUES_SHOWN + 1} more`;

function decidedLines({ decided }: StopCodeExplanation): string[] {
  if (decided === null) return [];
  const { parameter, value, says } = decided;
  return texts([`parameter ${parameter} is ${value}: ${says ?? "no case is known for this value"}`]);
}

function parameterLines({ parameters }: StopCodeExplanation): string[] {
  const given = parameters.some(({ value }) => value !== null);
  return table(
    parameters.map(({ value, meaning, text }, index) => [
      `${index + 1}`,
      ...(given ? [value ?? ""] : []),
      text === null ? meaning : `${meaning}: ${bold(text)}`,
    ]),
  );
}

const caseLines = ({ cases }: StopCodeExplanation): string[] =>
  table(cases.map(({ parameter, values, says }) => [`P${parameter} = ${listed(values)}`, says]));

/** A command is not broken: it is there to be copied. */
const checkLines = ({ checks }: StopCodeExplanation): string[] =>
  checks.flatMap(({ check, summary, how }) => [...texts([`${check}: ${summary}`]), dim(`  ${how}`)]);

/** A stop code in words: what happened, what the parameters say, what to do. */
export function stopCodeScreen(explanation: StopCodeExplanation): string {
  const { code, name, family, summary, causes, advice, rules } = explanation;
  const sections = [
    block("case", decidedLines(explanation)),
    block("told", parameterLines(explanation)),
    block("cases", caseLines(explanation)),
    block("causes", texts(causes)),
    block("advice", texts(advice)),
    block("arm", checkLines(explanation)),
    block("rules", table(rules.map((rule) => [`${rule.pack}/${rule.id}`, rule.summary]))),
  ];
  const head = ["", `  ${bold(`${upper(code)} ${name}`)}    ${dim(family)}`, `  ${wrap(summary, WIDTH, "  ")}`];
  return [...head, ...sections.filter((lines) => lines.length > 0).flatMap((lines) => ["", ...lines])].join("\n");
}
