import { cpus } from "node:os";
import { StopcodeError } from "../binary/index.ts";
import { diagnose, LiteralSearch, type RulePack, readPack, searchLog } from "../rules/index.ts";
import { type HostileFigure, hostileFigures } from "./hostile-packs.ts";
import { timed } from "./processor-time.ts";
import { FULL_SIZE, type RulesLoad, rulesLoad } from "./rules-load.ts";
import { type PeerFigure, rulesPeers } from "./rules-peers.ts";

/** Milliseconds from a pack's text to findings, for the first time in a process, and for one pack of a stranger. */
export const MOST_FOR_ALL = 2000;
export const MOST_FOR_A_HOSTILE_PACK = 1000;

/** Rounds of which the best counts, after the first. */
const ROUNDS = 3;
const MILLION = 1_000_000;

/** A part of the work. */
export interface RulesPart {
  readonly part: "load" | "prefilter" | "patterns" | "conditions";
  readonly what: string;
  readonly milliseconds: number;
  /** Of the log; null for parts that do not go through it. */
  readonly megabytesPerSecond: number | null;
}

/** The document of `bench rules --json`. */
export interface RulesBench {
  readonly node: string;
  readonly processor: string;
  readonly seed: number;
  readonly load: {
    readonly rules: number;
    readonly patterns: number;
    /** Values among the facts, without those of the log. */
    readonly facts: number;
    readonly logMegabytes: number;
    readonly logLines: number;
  };
  /** The first time, when V8 has compiled nothing yet: what a command takes. */
  readonly first: { readonly load: number; readonly ask: number; readonly total: number };
  /** The best of later rounds, each with a pack that was read anew. */
  readonly parts: readonly RulesPart[];
  /** Texts that are looked for, how often they were found, patterns that have none, patterns with a line. */
  readonly counts: {
    readonly literals: number;
    readonly literalsFound: number;
    readonly patternsWithoutLiteral: number;
    readonly patternsFound: number;
  };
  readonly peers: readonly PeerFigure[];
  readonly hostile: readonly HostileFigure[];
  /** The first time takes less than {@link MOST_FOR_ALL}, and no hostile pack more than {@link MOST_FOR_A_HOSTILE_PACK}. */
  readonly met: boolean;
}

/** How far a run is. */
export interface RulesBenchProgress {
  /** What is being done. */
  readonly what: string;
  readonly done: number;
  readonly total: number;
  /** Not known. */
  readonly secondsLeft: null;
}

/**
 * Asks a made pack about a made log and facts, and measures each part of it beside other ways; then reads and asks hostile packs.
 * @param onProgress hears what comes next
 */
export function benchRules(seed: number, onProgress: (progress: RulesBenchProgress) => void): RulesBench {
  const steps = [
    "making rules and a log",
    "asking for the first time",
    "asking again",
    "asking other ways",
    "hostile packs",
  ];
  const begin = (done: number) => onProgress({ what: steps[done]!, done, total: steps.length, secondsLeft: null });
  begin(0);
  const load = rulesLoad(seed, FULL_SIZE);
  begin(1);
  const [pack, firstLoad] = timed(() => packOf(load));
  const [, firstAsk] = timed(() => diagnose(load.facts, [pack]));
  begin(2);
  const { parts, counts } = measuredParts(load);
  begin(3);
  const peers = rulesPeers(load, packOf(load));
  begin(4);
  const hostile = hostileFigures();
  const total = firstLoad + firstAsk;
  return {
    node: process.version,
    processor: cpus()[0]?.model ?? "unknown",
    seed,
    load: {
      ...{ rules: load.rules, patterns: load.patterns.length, facts: load.values },
      ...{ logMegabytes: load.logCharacters / MILLION, logLines: load.facts.log!.records.length },
    },
    first: { load: firstLoad, ask: firstAsk, total },
    ...{ parts, counts, peers, hostile },
    met: total < MOST_FOR_ALL && hostile.every(({ milliseconds }) => milliseconds < MOST_FOR_A_HOSTILE_PACK),
  };
}

function measuredParts(load: RulesLoad): Pick<RulesBench, "parts" | "counts"> {
  const rounds = Array.from({ length: ROUNDS }, () => measuredRound(load));
  const best = (key: keyof (typeof rounds)[number]["times"]) => Math.min(...rounds.map(({ times }) => times[key]));
  const megabytes = load.logCharacters / MILLION;
  const part = (name: RulesPart["part"], what: string, milliseconds: number, isOfLog: boolean): RulesPart => ({
    ...{ part: name, what, milliseconds },
    megabytesPerSecond: isOfLog ? megabytes / (milliseconds / 1000) : null,
  });
  return {
    parts: [
      part("load", "from the pack's text to compiled rules", best("load"), false),
      part("prefilter", "all literals, one pass", best("prefilter"), true),
      part(
        "patterns",
        "patterns, on the lines that have a literal of theirs",
        Math.max(0, best("search") - best("prefilter")),
        true,
      ),
      part("conditions", "conditions, titles and evidence", Math.max(0, best("diagnose") - best("search")), false),
    ],
    counts: rounds[0]!.counts,
  };
}

function measuredRound(load: RulesLoad) {
  const { records } = load.facts.log!;
  const [pack, loadTime] = timed(() => packOf(load));
  const patterns = pack.rules.flatMap((rule) => rule.log);
  const literals = [...new Set(patterns.flatMap(({ match }) => match.literals))];
  let literalsFound = 0;
  const [, prefilter] = timed(() => {
    const search = new LiteralSearch(literals);
    for (const { text } of records) search.scan(text, () => literalsFound++);
  });
  const [answers, search] = timed(() => searchLog(records, pack.rules));
  // A pattern's automaton keeps its states: what was asked once is read anew.
  const again = packOf(load);
  const [, whole] = timed(() => diagnose(load.facts, [again]));
  return {
    times: { load: loadTime, prefilter, search, diagnose: whole },
    counts: {
      ...{ literals: literals.length, literalsFound },
      patternsWithoutLiteral: patterns.filter(({ match }) => match.literals.length === 0).length,
      patternsFound: [...answers.values()].flat().filter(({ kind }) => kind === "found").length,
    },
  };
}

function packOf({ pack }: RulesLoad): RulePack {
  const reading = readPack("bench.yaml", pack);
  if (reading.pack === null) throw new StopcodeError("internal/bench", reading.problems[0]!.message);
  return reading.pack;
}
