import { z } from "zod";
import { didYouMean, nearest } from "./nearest.ts";
import type { Path } from "./place.ts";
import { byPlace, type DocumentProblem, type DocumentProblems } from "./problem.ts";
import type { YamlDocument } from "./yaml-document.ts";

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((below, part) => (below as Record<PropertyKey, unknown> | null | undefined)?.[part], value);

/** The keys that a schema has where a path leads to in `value`. */
function knownKeys(schema: z.ZodType, path: Path, value: unknown): string[] {
  let at = chosen(schema, value);
  path.forEach((part, depth) => {
    const below: unknown =
      at instanceof z.ZodArray
        ? at.element
        : at instanceof z.ZodObject
          ? at.shape[String(part)]
          : at instanceof z.ZodRecord
            ? at.valueType
            : undefined;
    at = chosen(below, valueAt(value, path.slice(0, depth + 1)));
  });
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** The schema below defaults and the like. Of alternatives, the one that the value chose by its discriminator. */
function chosen(schema: unknown, value: unknown): unknown {
  let at = schema;
  while (
    at instanceof z.ZodOptional ||
    at instanceof z.ZodNullable ||
    at instanceof z.ZodDefault ||
    at instanceof z.ZodPrefault
  ) {
    at = at.unwrap();
  }
  if (!(at instanceof z.ZodDiscriminatedUnion)) return at;
  const key = at.def.discriminator;
  const option = at.options.find(
    (one) => one instanceof z.ZodObject && z.safeParse(one.shape[key]!, valueAt(value, [key])).success,
  );
  return chosen(option, value);
}

const TYPES: Readonly<Record<string, string>> = {
  string: "a text (quote it if it looks like a number)",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map of keys and values",
  record: "a map of keys and values",
};

/** What an issue says where its schema has no words of its own: those of someone who writes YAML. */
function describe(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return `this should be ${TYPES[issue.expected] ?? issue.expected}`;
    case "too_big":
      return `this is too ${isAmount(issue.origin) ? "large" : "long"}: at most ${issue.maximum}`;
    case "too_small":
      if (isAmount(issue.origin)) return `this is too small: at least ${issue.minimum}`;
      return Number(issue.minimum) === 1 ? "this should not be empty" : `this is too short: at least ${issue.minimum}`;
    case "not_multiple_of":
      return `this should be a multiple of ${issue.divisor}`;
    case "invalid_union": {
      const values = choices(issue);
      if (values.length > 0) return `this should be one of ${values.join(", ")}`;
      const reasons = (issue.errors as z.core.$ZodIssue[][]).flatMap((issues) => issues.slice(0, 1));
      return [...new Set(reasons.map(({ message }) => message))].join(", or ");
    }
    case "invalid_value":
      return `this should be one of ${choices(issue).join(", ")}`;
    default:
      return undefined;
  }
}

const isAmount = (origin: string): boolean => origin === "number" || origin === "int";

/** The values that may stand where another stands. */
function choices(issue: z.core.$ZodRawIssue | z.core.$ZodIssue): string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  // The values of a discriminator; a plain union has none.
  if (issue.code === "invalid_union" && "options" in issue) return (issue.options as unknown[]).map(String);
  return [];
}

/**
 * Checks a document, or what lies at `base` in it, against a schema. A key that the schema does not know is told with the one
 * that was most likely meant; the schema's objects must be strict for that.
 *
 * @returns the value, or every problem that the schema finds, in the order of the file
 */
export function checkShape<T>(
  document: YamlDocument,
  schema: z.ZodType<T>,
  value: unknown = document.value,
  base: Path = [],
): { readonly value: T } | { readonly problems: DocumentProblems } {
  const result = schema.safeParse(value, { error: describe });
  if (result.success) return { value: result.data };
  const { prefix } = document.kind;
  const { issues } = result.error;
  const meant = new Set<string>();

  const misspelt = (issue: z.core.$ZodIssueUnrecognizedKeys): DocumentProblem[] => {
    const known = knownKeys(schema, issue.path, value);
    return issue.keys.map((key) => {
      const right = nearest(key, known);
      if (right !== null) meant.add(JSON.stringify([...issue.path, right]));
      const hint = didYouMean(key, known) ?? `it has: ${known.join(", ") || "no keys at all"}`;
      const message = `the key \`${key}\` is not known here`;
      return document.problem(`${prefix}/unknown-key`, message, [...base, ...issue.path, key], {
        pointsAt: "key",
        hint,
      });
    });
  };

  const wrong = (issue: z.core.$ZodIssue): DocumentProblem => {
    const path = [...base, ...issue.path];
    if (issue.code === "invalid_key") {
      return document.problem(`${prefix}/shape`, issue.issues[0]?.message ?? issue.message, path, { pointsAt: "key" });
    }
    const found = valueAt(value, issue.path);
    if (found === undefined) {
      const name = String(issue.path.at(-1));
      return document.problem(`${prefix}/missing-key`, `\`${name}\` is missing here`, path.slice(0, -1));
    }
    const hint = typeof found === "string" ? didYouMean(found, choices(issue)) : undefined;
    return document.problem(`${prefix}/shape`, issue.message, path, { hint });
  };

  const unknown = issues.flatMap((issue) => (issue.code === "unrecognized_keys" ? misspelt(issue) : []));
  // A key that is missing because it is misspelt needs saying once.
  const others = issues.filter(
    ({ code, path }) =>
      code !== "unrecognized_keys" && !(meant.has(JSON.stringify(path)) && valueAt(value, path) === undefined),
  );
  return { problems: [...unknown, ...others.map(wrong)].sort(byPlace) as DocumentProblems };
}
