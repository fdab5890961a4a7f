import { problemText } from "../../src/document/index.ts";
import type { RulePack } from "../../src/rules/index.ts";
import { readPack } from "../../src/rules/pack.ts";

/** A rule that is right in everything; tests change one thing in it. */
export const soundRule: Readonly<Record<string, unknown>> = {
  id: "one-rule",
  status: "test",
  severity: "high",
  summary: "something",
  when: ["true"],
  verdict: "suspect",
  title: "something happened",
  culprit: { kind: "driver", name: "x.sys" },
  advice: "do something",
};

/** A pack of rules, as text: JSON is YAML. */
export const packText = (...rules: Readonly<Record<string, unknown>>[]): string =>
  JSON.stringify({ pack: { id: "some-pack", version: "1.0.0", title: "a pack", owner: "me" }, rules }, null, 1);

/** Compiles one rule, with `changes` to the sound one. Fails the test when something is wrong with it. */
export function packOf(...changes: Readonly<Record<string, unknown>>[]): RulePack {
  const { pack, problems } = readPack("pack.yaml", packText(...changes.map((change) => ({ ...soundRule, ...change }))));
  if (pack === null) throw new Error(problems.map(problemText).join("\n"));
  return pack;
}

/** The messages of all problems of a text. */
export const complaints = (text: string): string[] =>
  readPack("pack.yaml", text).problems.map(({ where, message }) => `${where.line}:${where.column} ${message}`);
