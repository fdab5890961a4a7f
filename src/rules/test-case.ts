import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import type { Facts } from "../analysis/facts.ts";
import { StopcodeError } from "../binary/index.ts";
import {
  checkShape,
  type DocumentPlace,
  type DocumentProblem,
  didYouMean,
  type Path,
  parseYaml,
  readText,
  type YamlDocument,
} from "../document/index.ts";
import { factsKind, packTestKind } from "./document-kinds.ts";
import { partialFacts } from "./fact-types.ts";
import { verdict } from "./finding.ts";
import { testsOf } from "./loader.ts";
import type { RulePack } from "./rule.ts";
import type { TextCheck } from "./signed-folder.ts";

/** Longer than any text that a rule can show. */
const shown = z.string().max(4000);
const lines = z.array(shown).max(64);

const testCase = z
  .strictObject({
    name: z.string().min(1),
    rule: z.string(),
    facts: z
      .union([z.string(), z.record(z.string(), z.unknown())])
      .describe("as many as the case needs, or the path of a JSON file of facts, from the folder of the tests"),
    expect: z.enum(["fire", "quiet", "skip"]),
    todo: z.string().min(1).optional().describe("why it does not hold yet; it is run and reported, and fails nothing"),
    verdict: verdict.optional(),
    title: shown.optional(),
    culprit: shown.optional(),
    bystander: shown.optional(),
    advice: shown.optional(),
    evidence: lines.optional(),
    arm: lines.optional(),
    missing: lines.optional(),
  })
  .describe("one case: what a rule says to some facts");

const testFile = z.strictObject({ cases: z.array(testCase).min(1).max(1000) });

/** The format of tests as JSON Schema, for editors; `rules/pack-test.schema.json` is this, and a test keeps it so. */
export function packTestJsonSchema(): object {
  const facts = z.union([z.string(), partialFacts]);
  return {
    $id: "stopcode/pack-test/1",
    title: "Tests of a rule pack of stopcode",
    ...z.toJSONSchema(testFile.extend({ cases: z.array(testCase.extend({ facts })).min(1) }), { io: "input" }),
  };
}

/** A case as it stands in a file of tests. */
export type TestCase = z.infer<typeof testCase>;

/** A case with its facts at hand. */
export interface ReadyCase {
  readonly test: TestCase;
  readonly facts: Facts;
  readonly where: DocumentPlace;
}

/** Where what is wrong goes to, and what each text that is read must be. */
export interface CaseReading {
  readonly problems: DocumentProblem[];
  readonly check: TextCheck;
}

/** The cases that stand beside a pack. */
export function readCases(pack: RulePack, { problems, check }: CaseReading): ReadyCase[] {
  const file = testsOf(pack.file);
  if (!existsSync(file)) return [];
  const text = readText(packTestKind, file);
  check(file, text);
  const parsed = parseYaml(packTestKind, file, text);
  if ("problems" in parsed) {
    problems.push(...parsed.problems);
    return [];
  }
  const { document } = parsed;
  const shaped = checkShape(document, testFile);
  if ("problems" in shaped) {
    problems.push(...shaped.problems);
    return [];
  }
  return shaped.value.cases.flatMap((test, index) => {
    const path: Path = ["cases", index];
    if (!pack.rules.some(({ id }) => id === test.rule)) {
      const ids = pack.rules.map(({ id }) => id);
      const hint = didYouMean(test.rule, ids);
      problems.push(
        document.problem("rules/unknown-rule", `the pack has no rule \`${test.rule}\``, [...path, "rule"], { hint }),
      );
      return [];
    }
    const facts = readFacts(document, test.facts, [...path, "facts"], check);
    if ("problems" in facts) {
      problems.push(...facts.problems);
      return [];
    }
    return [{ test, facts: facts.value as Facts, where: document.where([...path, "name"]) }];
  });
}

/** Facts of a case: nothing is required of them, but what they hold must be facts. */
function readFacts(document: YamlDocument, source: TestCase["facts"], path: Path, check: TextCheck) {
  if (typeof source !== "string") return checkShape(document, partialFacts, source, path);
  const file = resolve(dirname(document.file), source);
  try {
    // JSON is YAML: the same reader gives the same limits and the same positions.
    const text = readText(factsKind, file);
    check(file, text);
    const parsed = parseYaml(factsKind, file, text);
    return "problems" in parsed ? parsed : checkShape(parsed.document, partialFacts);
  } catch (error) {
    if (!(error instanceof StopcodeError)) throw error;
    return { problems: [document.problem(error.code, `the facts in ${source}: ${error.message}`, path)] };
  }
}
