import { RE2JS } from "re2js";
import { type RulePack, searchLog } from "../rules/index.ts";
import { timed } from "./processor-time.ts";
import type { RulesLoad } from "./rules-load.ts";

/** Another way to find the same lines. */
export interface PeerFigure {
  readonly way: string;
  /** Of a part of the log, since most of them are slow. */
  readonly megabytesPerSecond: number;
  /** The same for the way of the rules, on the same part. */
  readonly ratio: number;
  /** Patterns for which it finds a line. */
  readonly found: number;
  /** Patterns for which it finds the line that the rules find, or none as they do. */
  readonly agrees: number;
}

/** The part of the log that peers are given. */
const LINES = 12_000;
const MILLION = 1_000_000;

/** Looks for the load's patterns in other ways, each once. @param pack the load's, which has not been asked yet */
export function rulesPeers({ facts, patterns }: RulesLoad, pack: RulePack): PeerFigure[] {
  const records = facts.log!.records.slice(0, LINES);
  const texts = records.map(({ text }) => text);
  const megabytes = texts.reduce((sum, { length }) => sum + length + 1, 0) / MILLION;
  const own = run(() =>
    [...searchLog(records, pack.rules).values()]
      .flat()
      .map((answer) => (answer.kind === "found" ? answer.line.line - 1 : -1)),
  );
  const figure = (way: string, { places, seconds }: Run): PeerFigure => ({
    way,
    megabytesPerSecond: megabytes / seconds,
    ratio: seconds / own.seconds,
    found: places.filter((place) => place >= 0).length,
    agrees: places.filter((place, at) => place === own.places[at]).length,
  });
  const compiled = patterns.map((pattern) => RE2JS.compile(pattern));
  const native = patterns.map(regExp);
  return [
    figure("literals first, then re2js: the rules' way", own),
    figure(
      "re2js, every pattern on every line",
      run(() => compiled.map((pattern) => firstLine(texts, pattern))),
    ),
    figure(
      "RegExp, every pattern on every line",
      run(() => native.map((pattern) => firstLine(texts, pattern))),
    ),
  ];
}

interface Run {
  readonly places: readonly number[];
  readonly seconds: number;
}

function run(work: () => readonly number[]): Run {
  const [places, milliseconds] = timed(work);
  return { places, seconds: milliseconds / 1000 };
}

const firstLine = (texts: readonly string[], pattern: { test(text: string): boolean }): number =>
  texts.findIndex((text) => pattern.test(text));

/** The patterns of the load mean the same to `RegExp`, where two things are written otherwise. */
function regExp(pattern: string): RegExp {
  const flags = pattern.startsWith("(?i)") ? "i" : "";
  return new RegExp(pattern.replace(/^\(\?i\)/, "").replaceAll("(?P<", "(?<"), flags);
}
