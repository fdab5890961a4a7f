import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Facts } from "../analysis/index.ts";
import { StopcodeError, whereText } from "../binary/index.ts";
import { diagnose, readPacks } from "../rules/index.ts";
import { timed } from "./processor-time.ts";

/** A pack that wants to be a nuisance, and the facts that it wants to be one with. */
export interface HostilePack {
  readonly name: string;
  readonly text: string;
  readonly facts: Facts;
}

/** What came of one. */
export interface HostileFigure {
  readonly name: string;
  /** `refused at FILE:LINE:COLUMN: …`, or what its first rule came to. */
  readonly outcome: string;
  /** Of processor time. */
  readonly milliseconds: number;
}

const rule = {
  ...{ id: "one-rule", status: "test", severity: "high", summary: "something", verdict: "suspect" },
  ...{ when: ["true"], title: "something happened", culprit: { kind: "driver", name: "x" }, advice: "do something" },
};

const packText = (...changes: object[]): string =>
  JSON.stringify(
    {
      pack: { id: "hostile", version: "1.0.0", title: "hostile", owner: "a stranger" },
      rules: changes.map((change, at) => ({ ...rule, id: `rule-${at}`, ...change })),
    },
    null,
    1,
  );

const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** Letters in an order that makes an automaton have a new state at each. */
function restless(length: number): string {
  let state = 1;
  return many(length, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state & 0x10000 ? "a" : "b";
  }).join("");
}

function factsWith(...lines: string[]): Facts {
  return {
    schema: "stopcode/facts/1",
    os: { family: "linux" },
    crash: { title: "panic", alternativeTitles: [], stack: [] },
    processes: many(2000, (pid) => ({ pid, name: `process ${pid}` })),
    log: { complete: true, records: lines.map((text) => ({ text })) },
  };
}

/** Every way that we know to hold a reader of packs up. */
export function hostilePacks(): HostilePack[] {
  const quiet = factsWith("a line");
  const pattern = (match: string, ...lines: string[]): [string, Facts] => [
    packText({ log: [{ match }] }),
    factsWith(...lines),
  ];
  const noise = restless(200_000);
  const noisyLines = many(2000, (at) => noise.slice(at * 100, at * 100 + 100));
  const entries: readonly (readonly [string, string, Facts?])[] = [
    ["^(a+)+$ on 60 a's", ...pattern("^(a+)+$", `${"a".repeat(60)}!`)],
    ["^(a+)+$ on a line of 1 MB", ...pattern("^(a+)+$", `${"a".repeat(1_000_000)}!`)],
    ["(a|aa)+$ on a line of 1 MB, captured", ...pattern("(?P<all>(?:a|aa)+)$", "a".repeat(1_000_000))],
    [
      "(a|aa)+$ on the same line, 300 times",
      packText(...many(300, () => ({ log: [{ match: "(?:a|aa)+$" }] }))),
      factsWith("a".repeat(1_000_000)),
    ],
    ["a pattern that defeats automatons", ...pattern("a[ab]{100}[cd]", ...noisyLines)],
    ["the same on one line", ...pattern("a[ab]{100}[cd]", noise)],
    [
      "eight of them on lines of 90 kB",
      packText(...many(8, () => ({ log: [{ match: "a[ab]{100}[cd]" }] }))),
      factsWith(noise.slice(0, 90_000), noise.slice(90_000, 180_000)),
    ],
    [
      "300 such patterns",
      packText(...many(300, () => ({ log: [{ match: "a[ab]{15}[cd]" }] }))),
      factsWith(...noisyLines),
    ],
    [
      "a letter 10 MB long for 1,000 patterns",
      packText(...many(125, () => ({ log: many(8, () => ({ match: "aaa.b" })) }))),
      factsWith("a".repeat(10_000_000)),
    ],
    ["a pattern of 100 kB", packText({ log: [{ match: "a".repeat(100_000) }] })],
    ["a{1000}{1000}", packText({ log: [{ match: "a{1000}{1000}" }] })],
    ["((a{30}){30}){30}", packText({ log: [{ match: "((a{30}){30}){30}" }] })],
    [
      "2,000 patterns of a thousand states",
      packText(...many(250, () => ({ log: many(8, () => ({ match: "a.{990}" })) }))),
    ],
    [
      "800 patterns of all letters there are",
      packText(...many(100, () => ({ log: many(8, () => ({ match: "(?i)[\\x{80}-\\x{10ffff}]" })) }))),
    ],
    ["look-ahead", packText({ log: [{ match: "a(?=b)" }] })],
    ["look-behind", packText({ log: [{ match: "(?<!a)b" }] })],
    ["a back-reference", packText({ log: [{ match: "(a+)\\1" }] })],
    [
      "a condition of loops in loops",
      packText({ when: ["processes.all(a, processes.all(b, processes.all(c, a.pid + b.pid + c.pid >= 0)))"] }),
    ],
    [
      "40 rules of them",
      packText(...many(40, () => ({ when: ["processes.all(a, processes.all(b, a.pid >= b.pid || true))"] }))),
    ],
    [
      "a text that doubles with every name",
      packText({
        let: Object.fromEntries([["x0", "crash.title"], ...many(60, (at) => [`x${at + 1}`, `x${at} + x${at}`])]),
        when: ["x60.contains('zz')"],
      }),
    ],
    ["brackets in brackets, 100,000 deep", "[".repeat(100_000)],
    ["maps in maps, 1,000 deep", many(1000, (depth) => `${" ".repeat(depth)}a:`).join("\n")],
    ["conditions in brackets, 300 deep", packText({ when: [`${"(".repeat(300)}true${")".repeat(300)}`] })],
    ["a document of 20 MB", "- a\n".repeat(5_000_000)],
    ["one text of 500 kB", `a: "${"x".repeat(500_000)}"`],
    ["100,000 keys", many(100_000, (key) => `k${key}: 1`).join("\n")],
    ["1,000 keys of one map", packText({ let: Object.fromEntries(many(1000, (at) => [`x${at}`, "1"])) })],
    ["1,000 unknown keys", packText(Object.fromEntries(many(1000, (key) => [`key${key}`, 1])))],
    ["5,000 misspelt facts", packText(...many(156, () => ({ requires: many(32, (at) => `crahs.x${at}`) })))],
    ["500 rules of one id", packText(...many(500, () => ({ id: "same" })))],
    ["a key twice", "pack: {id: a}\npack: {id: b}"],
    [
      "values of the wrong kind",
      packText(...many(300, () => ({ when: 3, title: [], log: "x", evidence: {}, arm: 5 }))),
    ],
    ["an alias of itself", "pack: &a [*a]"],
    [
      "aliases that stand for gigabytes",
      many(30, (at) => `x${at}: &x${at} [${at === 0 ? "lol" : `*x${at - 1}, *x${at - 1}`}]`).join("\n"),
    ],
    ["tags", "pack: !!js/function 'x'"],
    ["bytes that are no text", "\u0000\ufffd\u0001".repeat(1000)],
  ];
  return entries.map(([name, text, facts = quiet]) => ({ name, text, facts }));
}

/** Reads and asks each of them, as `diagnose --rules` would. */
export function hostileFigures(): HostileFigure[] {
  const folder = mkdtempSync(join(tmpdir(), "stopcode-hostile-"));
  const file = join(folder, "pack.yaml");
  try {
    return hostilePacks().map(({ name, text, facts }) => {
      writeFileSync(file, text);
      const [outcome, milliseconds] = timed(() => outcomeOf(file, facts));
      return { name, outcome, milliseconds };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What comes of a pack's file. */
export function outcomeOf(file: string, facts: Facts): string {
  try {
    const { packs, problems } = readPacks([file]);
    const [first] = problems;
    if (first !== undefined) return `refused at ${whereText(first.where)}: ${first.message}`.replaceAll(file, "FILE");
    const { findings, skipped } = diagnose(facts, packs);
    if (findings.length > 0) return "fires";
    return skipped[0]?.reason ?? "quiet";
  } catch (error) {
    if (!(error instanceof StopcodeError)) throw error;
    return `refused at ${whereText(error.where)}: ${error.message}`.replaceAll(file, "FILE");
  }
}
