import { writeFileSync } from "node:fs";
import type { DocumentProblem } from "../document/index.ts";
import { type CaseResult, differenceText, hasFailed, type PackTestResult, type PackTestRun } from "./pack-test.ts";

/**
 * Writes what tests of packs said as JUnit XML, as CI servers read it: a suite for each pack, a case for each case, and one for what a
 * rule lacks. Source: Jenkins' xunit plugin, junit-10.xsd. No times stand in it, so that the same answers are the same bytes.
 */
export function writeJUnit(run: PackTestRun, file: string): void {
  writeFileSync(file, junitXml(run));
}

interface JUnitCase {
  readonly name: string;
  readonly classname: string;
  /** None: it passed. */
  readonly element: {
    readonly name: "failure" | "error" | "skipped";
    readonly type: string;
    readonly text: string;
  } | null;
}

function junitXml({ packs, problems }: PackTestRun): string {
  const unread = problems.length === 0 ? [] : [suite("unreadable", problems.map(problemCase))];
  const suites = [...unread, ...packs.map((pack) => suite(pack.pack, suiteCases(pack)))];
  return ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", ...suites, "</testsuites>", ""].join("\n");
}

function suite(name: string, cases: readonly JUnitCase[]): string {
  const count = (kind: string) => `${cases.filter(({ element }) => element?.name === kind).length}`;
  const [failures, errors, skipped] = [count("failure"), count("error"), count("skipped")];
  const head = attributes({ name, tests: `${cases.length}`, failures, errors, skipped });
  return [`  <testsuite${head}>`, ...cases.map(caseText), "  </testsuite>"].join("\n");
}

function suiteCases({ pack, cases, coverage }: PackTestResult): JUnitCase[] {
  const lacking = coverage.filter(({ lacks }) => lacks.length > 0);
  return [
    ...cases.map((result) => ({ name: result.name, classname: `${pack}.${result.rule}`, element: outcome(result) })),
    ...lacking.map(({ rule, lacks }) => ({
      name: "has a firing case and a quiet case",
      classname: `${pack}.${rule}`,
      element: { name: "failure" as const, type: "untested", text: `it has not ${lacks.join(" and ")}` },
    })),
  ];
}

function outcome(result: CaseResult): JUnitCase["element"] {
  const { where, todo, passed, differences } = result;
  const place = `${where.file}:${where.line}:${where.column}`;
  const text = [place, ...differences.map(differenceText)].join("\n");
  if (hasFailed(result)) return { name: "failure", type: differences.map(({ what }) => what).join(" "), text };
  return passed ? null : { name: "skipped", type: "todo", text: `${todo}\n${text}` };
}

const problemCase = ({ code, message, where }: DocumentProblem): JUnitCase => ({
  name: `${where.file}:${where.line}:${where.column}`,
  classname: "rules",
  element: { name: "error", type: code, text: message },
});

function caseText({ name, classname, element }: JUnitCase): string {
  const head = `    <testcase${attributes({ classname, name })}`;
  if (element === null) return `${head}/>`;
  const [message] = element.text.split("\n");
  const inside = attributes({ type: element.type, message: message! });
  return `${head}>\n      <${element.name}${inside}>${escaped(element.text)}</${element.name}>\n    </testcase>`;
}

const attributes = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([name, value]) => ` ${name}="${escaped(value)}"`)
    .join("");

/** XML 1.0 has no way to write most control characters, nor half a surrogate pair: they are shown as replacement characters. */
const escaped = (text: string): string =>
  text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replace(/[&<>"]/g, (character) => ENTITIES[character]!);

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
