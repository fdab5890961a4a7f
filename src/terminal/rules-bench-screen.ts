import { MOST_FOR_A_HOSTILE_PACK, MOST_FOR_ALL, type RulesBench } from "../bench/index.ts";
import { bold, columns, count, dim, green, printable, red } from "./style.ts";

const milliseconds = (time: number): string => `${time.toFixed(time < 10 ? 1 : 0)} ms`;
const pace = (megabytesPerSecond: number | null): string =>
  megabytesPerSecond === null ? "" : `${megabytesPerSecond.toFixed(1)} MB/s`;
const mark = (within: boolean): string => (within ? green("✓") : red("✗"));

/** What is shown of a hostile pack's outcome: a refusal can quote it. */
const OUTCOME = 90;

/** The whole time, its parts, other ways beside it, and what came of hostile packs. */
export function rulesBenchScreen(bench: RulesBench): string {
  const { load, first, counts } = bench;
  const head = [
    `${count(load.rules)} rules with ${count(load.patterns)} patterns`,
    `${count(load.facts)} facts`,
    `a log of ${load.logMegabytes.toFixed(1)} MB, ${count(load.logLines)} lines`,
    `seed ${bench.seed}`,
    `Node ${bench.node.slice(1)}`,
    printable(bench.processor),
  ];
  return [
    "",
    `  ${head.join(" · ")}`,
    "",
    `  ${mark(first.total < MOST_FOR_ALL)} ${bold(milliseconds(first.total))} the first time: ${milliseconds(first.load)} to load, ${milliseconds(first.ask)} to ask; at most ${milliseconds(MOST_FOR_ALL)}`,
    "",
    ...indented([
      ["the best of later rounds", "", "", ""].map(dim),
      ...bench.parts.map(({ part, what, milliseconds: time, megabytesPerSecond }) => [
        ...[part, what, milliseconds(time), pace(megabytesPerSecond)],
      ]),
    ]),
    "",
    `  ${count(counts.literals)} literals, found ${count(counts.literalsFound)} times · ${count(counts.patternsWithoutLiteral)} patterns without one, tried on every line · ${count(counts.patternsFound)} patterns found`,
    "",
    ...indented([
      ["on a tenth of the log", "", "times the first", "same lines"].map(dim),
      ...bench.peers.map(({ way, megabytesPerSecond, ratio, agrees }) => [
        ...[way, pace(megabytesPerSecond), `${ratio.toFixed(1)}x`, `${count(agrees)} of ${count(load.patterns)}`],
      ]),
    ]),
    "",
    `  ${dim(`hostile packs, read and asked; at most ${milliseconds(MOST_FOR_A_HOSTILE_PACK)}`)}`,
    ...columns(
      bench.hostile.map(({ name, outcome, milliseconds: time }) => [
        ...[mark(time < MOST_FOR_A_HOSTILE_PACK), milliseconds(time), name, dim(printable(outcome.slice(0, OUTCOME)))],
      ]),
      [1],
    ).map((line) => `  ${line}`),
    "",
  ].join("\n");
}

const indented = (rows: readonly (readonly string[])[]): string[] =>
  columns(rows, [rows[0]!.length - 2, rows[0]!.length - 1]).map((line) => `  ${line}`.trimEnd());
