import { existsSync } from "node:fs";
import { Document, isCollection, isMap, isSeq, type Node } from "yaml";
import type { Facts } from "../analysis/facts.ts";
import { StopcodeError } from "../binary/index.ts";
import { listOf, parseYaml, readText, refusal, replaceText, writeNew } from "../document/index.ts";
import { packTestKind } from "./document-kinds.ts";
import { added } from "./new-rule.ts";
import { readingOf } from "./reading.ts";
import type { Rule } from "./rule.ts";
import type { TestCase } from "./test-case.ts";

/** The document of `rules record --json`. */
export interface RecordedCase {
  readonly case: TestCase;
  /** The case as it stands in a file of tests, without the dash before it. */
  readonly text: string;
  /** The file it was added to; null where none was named. */
  readonly file: string | null;
}

/**
 * Makes a test case of what a rule says to the facts of a real crash: with the facts that the rule reads and no others, so that it
 * is small and tells no more of the machine than it must.
 *
 * @param name what the case is called
 * @param file tests to add it to, or to begin with it
 * @throws StopcodeError `usage/recorded` when the file has a case of this rule under this name
 */
export function recordCase(facts: Facts, rule: Rule, name: string, file: string | null): RecordedCase {
  const made = caseOf(facts, rule, name);
  const text = caseText(made);
  if (file !== null) add(file, made, text);
  return { case: made, text, file };
}

function caseOf(facts: Facts, rule: Rule, name: string): TestCase {
  const { outcome, facts: read } = readingOf(facts, rule);
  const asked = { name, rule: rule.id, facts: read, expect: outcome.kind };
  if (outcome.kind === "quiet") return asked;
  if (outcome.kind === "skip")
    return outcome.missing.length === 0 ? asked : { ...asked, missing: [...outcome.missing] };
  const { verdict, title, culprit, bystander, evidence, arm } = outcome.finding;
  return {
    ...asked,
    ...{ verdict, title, culprit: culprit.name },
    ...(bystander ? { bystander: bystander.name } : {}),
    ...(evidence.length === 0 ? {} : { evidence: evidence.map(({ text }) => text) }),
    ...(arm.length === 0
      ? {}
      : { arm: arm.map(({ check, target }) => (target === null ? check : `${check} ${target}`)) }),
  };
}

function add(file: string, { rule, name }: TestCase, text: string): void {
  if (!existsSync(file)) {
    writeNew(file, listOf("cases", text));
    return;
  }
  const before = readText(packTestKind, file);
  const after = added(file, before, "cases", text);
  const twin = casesIn(file, before).some((each) => each.rule === rule && each.name === name);
  if (!twin) {
    replaceText(file, after);
    return;
  }
  throw new StopcodeError("usage/recorded", `there is a case of ${rule} with this name: ${name}`, {
    where: { file },
    hint: "take it away first, or give it another name",
  });
}

function casesIn(file: string, text: string): readonly Partial<TestCase>[] {
  const parsed = parseYaml(packTestKind, file, text);
  if ("problems" in parsed) throw refusal(parsed.problems);
  return (parsed.document.value as { cases: readonly Partial<TestCase>[] }).cases;
}

/** The longest list or map that stands in one line. */
const LINE_CHARACTERS = 100;

function caseText(made: TestCase): string {
  const document = new Document(made);
  compact(document.contents as Node);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** What is short enough stands in brackets, in one line; gives its length. */
function compact(node: unknown): number {
  if (!isCollection(node)) return `${node}`.length;
  const parts: unknown[] = isMap(node)
    ? node.items.flatMap(({ key, value }) => [key, value])
    : isSeq(node)
      ? node.items
      : [];
  const length = parts.reduce<number>((sum, part) => sum + compact(part) + 2, 2);
  if (length <= LINE_CHARACTERS && node.items.length > 0) node.flow = true;
  return length;
}
