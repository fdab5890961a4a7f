import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { stopCodes } from "../../src/analysis/index.ts";
import { problemText } from "../../src/document/index.ts";
import { checkNames, readCatalogue, type StopCodeEntry, shippedCatalogue } from "../../src/rules/index.ts";
import { sharedData, withPeers } from "../peers.ts";

const { entries, problems } = readCatalogue();
const texts = readdirSync(shippedCatalogue)
  .filter((name) => name.endsWith(".yaml"))
  .map((name) => readFileSync(join(shippedCatalogue, name), "utf8"));

const ascending = ([a]: readonly [number, unknown], [b]: readonly [number, unknown]): number => a - b;

describe("the catalogue that ships", () => {
  it("has nothing wrong in it", () => {
    expect(problems.map(problemText)).toEqual([]);
  });

  it("describes every stop code of the bug check reference once, under its name", () => {
    expect(entries.map(({ code, name }) => [code, name] as const)).toEqual([...stopCodes].sort(ascending));
  });

  it("asks for checks of Windows, and for each of them", () => {
    const elsewhere = ["slab-debugging", "hypervisor-audit"];
    const asked = new Set(entries.flatMap((entry) => entry.checks));
    expect([...asked].sort()).toEqual(checkNames.filter((check) => !elsewhere.includes(check)).sort());
  });

  it("writes codes as they stand on a screen, and values in hex", () => {
    for (const text of texts) {
      expect([...text.matchAll(/^ {2}- code: (?!0x[1-9A-F][0-9A-F]*$).*$/gm)].map(([line]) => line)).toEqual([]);
      expect(
        [...text.matchAll(/when: (?!(\[?(0x[0-9A-Fa-f]+)(, 0x[0-9A-Fa-f]+)*\]?)$).*$/gm)].map(([line]) => line),
      ).toEqual([]);
    }
  });

  it("is valid by the published JSON Schema", () => {
    const published = JSON.parse(readFileSync(join(shippedCatalogue, "catalogue.schema.json"), "utf8")) as object;
    const schema = z.fromJSONSchema(published as Parameters<typeof z.fromJSONSchema>[0]);
    for (const text of texts) expect(schema.safeParse(parse(text)).error).toBeUndefined();
  });
});

interface Meaning {
  readonly code: number;
  readonly kind: string;
  readonly text: string;
}

const rows = (name: string): string[][] =>
  readFileSync(sharedData(`bugchecks/${name}`), "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split("\t"));

const meanings = (): Meaning[] =>
  rows("bugcheck-params.tsv").map(([code, , kind, , text]) => ({ code: Number(code), kind: kind!, text: text! }));

/** The first parameters that a row of the reference is about, where it names them by value: `0x01, 0x02, 0x04`, `1`, `0x42 or 0x43`. */
function firstValues({ kind, text }: Meaning): number[] {
  const [, first = ""] = /^Parameter 1: (.*?)(?: \|\||$)/.exec(text) ?? [];
  const values = first.split(/[,\s]+/).filter((word) => !["or", "and"].includes(word));
  const named = kind === "matrix" && values.every((value) => /^(0x[0-9a-f]+|[0-9]+)$/i.test(value));
  return named ? values.map((value) => Number(value.toLowerCase())) : [];
}

const words = (text: string): string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? [];

/** How many words in a row may be those of the reference: names of the field are up to this long. */
const RUN = 8;

const runs = (text: string): string[] => {
  const all = words(text);
  return all.slice(RUN - 1).map((_, index) => all.slice(index, index + RUN).join(" "));
};

const phrases = ({ summary, parameters, cases, causes, advice }: StopCodeEntry): string[] => [
  ...[summary, ...parameters, ...causes, ...advice],
  ...cases.flatMap(({ says, parameters: others }) => [says, ...others]),
];

withPeers({ data: "bugchecks" }).describe("the catalogue that ships, beside the bug check reference", () => {
  it("has all 425 codes", () => {
    const codes = rows("bugchecks.tsv").map(([code]) => Number(code));
    expect(codes).toHaveLength(425);
    expect(codes.filter((code) => !entries.some((entry) => entry.code === code))).toEqual([]);
  });

  it("has a case for every first parameter that is told apart there", () => {
    const known = new Map(
      entries.map(({ code, cases }) => [code, cases.flatMap(({ by, when }) => (by === 1 ? when : []))]),
    );
    const told = meanings().flatMap((row) => firstValues(row).map((value) => ({ code: row.code, value })));
    expect(told.length).toBeGreaterThan(600);
    const missing = told.filter(({ code, value }) => !known.get(code)?.includes(value));
    expect(missing.map(({ code, value }) => `0x${code.toString(16)} 0x${value.toString(16)}`)).toEqual([]);
  });

  it("says it in words of its own: no eight words in a row are the reference's", () => {
    const theirs = new Map<number, Set<string>>();
    for (const { code, text } of meanings()) {
      const known = theirs.get(code) ?? new Set<string>();
      for (const run of runs(text)) known.add(run);
      theirs.set(code, known);
    }
    expect([...theirs.values()].reduce((sum, { size }) => sum + size, 0)).toBeGreaterThan(10_000);
    const taken = entries.flatMap((entry) =>
      phrases(entry).flatMap((phrase) => runs(phrase).filter((run) => theirs.get(entry.code)?.has(run))),
    );
    expect(taken).toEqual([]);
  });
});
