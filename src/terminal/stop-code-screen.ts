import type { StopCodeExplanation } from "../rules/index.ts";
import { block } from "./facts-screen.ts";
import { bold, columns, dim, wrap } from "./style.ts";

const WIDTH = 100;

/** Texts below each other, each broken at the width and then indented. */
const texts = (each: readonly string[]): string[] => each.flatMap((text) => wrap(text, WIDTH, "  ").split("\n"));

/** Rows whose last column is broken at the width, below itself. */
function table(rows: readonly (readonly string[])[]): string[] {
  return columns(
    rows.flatMap((row) => {
      const lines = wrap(row.at(-1)!, WIDTH).split("\n");
      return lines.map((line, index) =>
        index === 0 ? [...row.slice(0, -1), line] : [...row.slice(0, -1).map(() => ""), line],
      );
    }),
  );
}

const upper = (code: string): string => `0x${code.slice(2).toUpperCase()}`;

/** A stop code in words: what happened, what the parameters say, what to do. */
export function stopCodeScreen(explanation: StopCodeExplanation): string {
  const { code, name, family, summary, decided, cases, parameters, causes, advice, checks, rules } = explanation;
  const several = new Set(cases.map(({ parameter }) => parameter)).size > 1;
  const sections = [
    decided === null
      ? []
      : block(
          "case",
          texts([
            `parameter ${decided.parameter} is ${decided.value}: ${decided.says ?? "no case is known for this value"}`,
          ]),
        ),
    block(
      "told",
      table(
        parameters.map(({ value, meaning, text }, index) => [
          `${index + 1}`,
          ...(value === null ? [] : [value]),
          text === null ? meaning : `${meaning}: ${bold(text)}`,
        ]),
      ),
    ),
    block(
      `by ${several ? "" : `P${cases[0]?.parameter}`}`.trim(),
      table(
        cases.map(({ parameter, values, says }) => [`${several ? `P${parameter} = ` : ""}${values.join(", ")}`, says]),
      ),
    ),
    block("causes", texts(causes)),
    block("advice", texts(advice)),
    block(
      "arm",
      checks.flatMap(({ check, summary: does, how }) => [...texts([`${bold(check)}: ${does}`]), dim(`  ${how}`)]),
    ),
    block("rules", table(rules.map(({ pack, id, summary: recognises }) => [`${pack}/${id}`, dim(recognises)]))),
  ];
  const head = ["", `  ${bold(`${upper(code)} ${name}`)}    ${dim(family)}`, `  ${wrap(summary, WIDTH, "  ")}`];
  return [...head, ...sections.filter((lines) => lines.length > 0).flatMap((lines) => ["", ...lines])].join("\n");
}
