import { readFileSync, statSync } from "node:fs";
import { type Document, isAlias, isMap, isScalar, isSeq, Lexer, type Node, Parser, parseDocument, visit } from "yaml";
import { z } from "zod";
import { StopcodeError } from "../binary/index.ts";
import { didYouMean, nearest } from "./nearest.ts";
import { byPlace, type PackProblem } from "./problem.ts";

/**
 * YAML with positions. Limits are set before the parser builds anything: its composer recurses, and looks for equal keys in a
 * time that grows with their square, so that a few hundred kilobytes could keep it busy for half a minute.
 */
export const limits = { bytes: 512 * 1024, tokens: 65_536, depth: 24, entries: 1024 } as const;

/** How much of a line an error shows. */
const LINE_CHARACTERS = 200;

/** A text that is no YAML at all has an error in every line; the first few say it. */
const ERRORS_SHOWN = 5;

/** A place inside a document: keys and indexes from the top. */
export type Path = readonly PropertyKey[];

export interface YamlDocument {
  readonly file: string;
  readonly value: unknown;
  /** The problem at the value that `path` leads to, `at` characters into its text. */
  problem(code: string, message: string, path: Path, detail?: ProblemDetail): PackProblem;
}

interface ProblemDetail {
  readonly at?: number;
  /** The trouble is the key at the end of the path, not its value. */
  readonly key?: boolean;
  readonly hint?: string | undefined;
}

type Outcome = { readonly document: YamlDocument } | { readonly problems: [PackProblem, ...PackProblem[]] };

/** @throws StopcodeError `rules/unreadable` when there is no such file, or it is none, or it is too large */
export function readText(file: string): string {
  try {
    const found = statSync(file);
    // A device has no size, and no end either.
    if (!found.isFile()) throw new StopcodeError("rules/unreadable", "it is not a file", { where: { file } });
    const { size } = found;
    if (size > limits.bytes) {
      throw new StopcodeError("rules/too-large", `${size} bytes are more than the ${limits.bytes} allowed`, {
        where: { file },
        hint: "split it into several packs",
      });
    }
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof StopcodeError) throw error;
    throw new StopcodeError("rules/unreadable", "it cannot be read", { where: { file }, cause: error });
  }
}

/** Parses a text as one YAML document without anchors, aliases or tags. */
export function parseYaml(file: string, text: string): Outcome {
  const textLines = text.split("\n");
  const at = (code: string, message: string, offset: number, hint: string | null = null): PackProblem => {
    const before = text.slice(0, offset).split("\n");
    const where = { file, line: before.length, column: before.at(-1)!.length + 1 };
    return {
      code,
      message,
      where,
      line: textLines[before.length - 1]!.replace(/\r$/, "").slice(0, LINE_CHARACTERS),
      hint,
    };
  };

  const tooMuch = excess(text);
  if (tooMuch !== null) return { problems: [at("rules/too-large", tooMuch.message, tooMuch.offset)] };

  const parsed = parseDocument(text, { prettyErrors: false });
  const broken = [...parsed.errors, ...parsed.warnings].map((error) => at("rules/yaml", error.message, error.pos[0]));
  broken.push(...unwanted(parsed).map(({ message, offset }) => at("rules/yaml", message, offset)));
  const shown = broken.slice(0, ERRORS_SHOWN);
  if (isNotEmpty(shown)) return { problems: shown };

  const document: YamlDocument = {
    file,
    value: parsed.toJS(),
    problem: (code, message, path, { at: index = 0, key = false, hint } = {}) =>
      at(code, message, key ? keyOffset(parsed, path) : offsetOf(parsed, text, path, index), hint ?? null),
  };
  return { document };
}

const isNotEmpty = <T>(list: T[]): list is [T, ...T[]] => list.length > 0;

interface Spot {
  readonly message: string;
  readonly offset: number;
}

/** What makes a text too large to be composed: tokens and brackets are counted as they are read, the tree without recursion. */
function excess(text: string): Spot | null {
  const parser = new Parser();
  const trees: unknown[] = [];
  let [offset, tokens, brackets] = [0, 0, 0];
  for (const token of new Lexer().lex(text)) {
    if (++tokens > limits.tokens) return { message: `it has more than ${limits.tokens} tokens`, offset };
    if (token === "[" || token === "{") brackets++;
    else if (token === "]" || token === "}") brackets--;
    if (brackets > limits.depth) return { message: `it nests more than ${limits.depth} deep`, offset };
    trees.push(...parser.next(token));
    offset += token.length;
  }
  trees.push(...parser.end());
  return trees.map(tooDeepOrWide).find((spot) => spot !== null) ?? null;
}

interface SyntaxNode {
  readonly offset?: number;
  readonly value?: unknown;
  readonly items?: readonly { readonly key?: unknown; readonly value?: unknown }[];
}

function tooDeepOrWide(tree: unknown): Spot | null {
  const waiting: [SyntaxNode, number][] = [[tree as SyntaxNode, 0]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [node, depth] = next;
    const offset = node.offset ?? 0;
    if (depth > limits.depth) return { message: `it nests more than ${limits.depth} deep`, offset };
    if ((node.items?.length ?? 0) > limits.entries) {
      return { message: `it has a list or map of more than ${limits.entries} entries`, offset };
    }
    const below = [node.value, ...(node.items ?? []).flatMap((item) => [item.key, item.value])];
    for (const child of below) {
      if (typeof child === "object" && child !== null)
        waiting.push([child, depth + (node.items === undefined ? 0 : 1)]);
    }
  }
  return null;
}

/** Anchors, aliases and tags: a few aliases can stand for gigabytes, and a pack needs none of the three. */
function unwanted(parsed: Document): Spot[] {
  const spots: Spot[] = [];
  visit(parsed, {
    Node(_, node) {
      const offset = (node as Node).range?.[0] ?? 0;
      if (isAlias(node)) spots.push({ message: "aliases are not allowed", offset });
      else if (node.anchor) spots.push({ message: "anchors are not allowed", offset });
      else if (node.tag && !node.tag.startsWith("tag:yaml.org,2002:")) {
        spots.push({ message: "tags are not allowed", offset });
      }
    },
  });
  return spots;
}

function keyOffset(parsed: Document, path: Path): number {
  const map = path.length === 1 ? parsed.contents : parsed.getIn(path.slice(0, -1), true);
  const pair = isMap(map) ? map.items.find(({ key }) => isScalar(key) && String(key.value) === path.at(-1)) : undefined;
  return (pair?.key as Node | undefined)?.range?.[0] ?? 0;
}

/** The offset in the text of the value at a path, or of what is there of it; `index` counts characters of a scalar's value. */
function offsetOf(parsed: Document, text: string, path: Path, index: number): number {
  let node: unknown = parsed.contents;
  for (const part of path) {
    const below: unknown = isMap(node) || isSeq(node) ? node.get(part, true) : undefined;
    if (below === undefined || below === null) break;
    node = below;
  }
  const range = (node as Node | null)?.range;
  if (!range) return 0;
  if (!isScalar(node) || typeof node.value !== "string") return range[0];
  const block = node.type === "BLOCK_LITERAL" || node.type === "BLOCK_FOLDED";
  const start = block ? text.indexOf("\n", range[0]) + 1 : range[0] + (node.type === "PLAIN" ? 0 : 1);
  return align(node.value, index, text, start, range[1]);
}

/**
 * Where the character `index` of a scalar's value stands in the source. The two differ by indentation, folded line ends, doubled
 * quotes and backslashes only, so walking both side by side finds it.
 */
function align(value: string, index: number, source: string, start: number, end: number): number {
  const blank = (character: string | undefined): boolean => character !== undefined && /\s/.test(character);
  let place = start;
  for (let at = 0; at < Math.min(index, value.length) && place < end; at++) {
    if (blank(value[at])) {
      if (!blank(value[at + 1])) while (place < end && blank(source[place])) place++;
    } else {
      while (place < end && source[place] !== value[at]) place++;
      place++;
    }
  }
  while (place < end && blank(source[place]) && !blank(value[index])) place++;
  return place;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (below, part) => (below as Record<PropertyKey, unknown> | null | undefined)?.[part],
    value,
  );
}

/** The keys that the schema has at a path. */
function knownKeys(schema: z.ZodType, path: Path): string[] {
  let at: unknown = schema;
  for (const part of [...path, null]) {
    while (at instanceof z.ZodOptional || at instanceof z.ZodNullable || at instanceof z.ZodDefault) at = at.unwrap();
    if (part === null) break;
    at = at instanceof z.ZodArray ? at.element : at instanceof z.ZodObject ? at.shape[String(part)] : undefined;
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** What a schema's issue says, in the words of someone who writes YAML. */
function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type") {
    return `this should be ${issue.expected === "string" ? "a text (quote it if it looks like a number)" : `of type ${issue.expected}`}`;
  }
  if (issue.code === "too_big") return `this is too long: at most ${issue.maximum}`;
  if (issue.code === "too_small") return "this should not be empty";
  if (issue.code === "invalid_value") return `this should be one of ${issue.values.join(", ")}`;
  return issue.message;
}

/**
 * Checks a document, or what lies at `base` in it, against a schema.
 *
 * @returns the value, or every problem the schema finds
 */
export function checkShape<T>(
  document: YamlDocument,
  schema: z.ZodType<T>,
  value: unknown = document.value,
  base: Path = [],
): { readonly value: T } | { readonly problems: [PackProblem, ...PackProblem[]] } {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data };
  const { issues } = result.error;
  const meant = new Set<string>();
  const misspelt = issues.flatMap((issue) => {
    if (issue.code !== "unrecognized_keys") return [];
    const known = knownKeys(schema, issue.path);
    return issue.keys.map((key) => {
      const right = nearest(key, known);
      if (right !== null) meant.add(JSON.stringify([...issue.path, right]));
      const hint = didYouMean(key, known) ?? `known keys: ${known.join(", ")}`;
      const path = [...base, ...issue.path, key];
      return document.problem("rules/unknown-key", `the key \`${key}\` is not known here`, path, { key: true, hint });
    });
  });
  const others = issues.flatMap((issue) => {
    // A key that is missing because it is misspelt needs saying once.
    if (issue.code === "unrecognized_keys" || meant.has(JSON.stringify(issue.path))) return [];
    const path = [...base, ...issue.path];
    if (issue.code === "invalid_key") {
      return [document.problem("rules/shape", issue.issues[0]?.message ?? issue.message, path, { key: true })];
    }
    const found = valueAt(value, issue.path);
    if (found !== undefined) {
      const hint = issue.code === "invalid_value" ? didYouMean(String(found), issue.values.map(String)) : undefined;
      return [document.problem("rules/shape", describe(issue), path, { hint })];
    }
    const key = String(issue.path.at(-1));
    return [document.problem("rules/missing-key", `\`${key}\` is missing here`, path.slice(0, -1))];
  });
  return { problems: [...misspelt, ...others].sort(byPlace) as [PackProblem, ...PackProblem[]] };
}
