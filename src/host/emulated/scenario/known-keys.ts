import { scenarioJsonSchema } from "./schema.ts";

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly const?: unknown;
}

/** Keys that may stand where a path leads to. Of alternatives, the one that the document chose by its `behaviour` counts. */
export function knownKeys(path: readonly PropertyKey[], document: unknown): string[] {
  let schema: Schema | undefined = scenarioJsonSchema() as Schema;
  let value = document;
  for (const step of path) {
    schema = typeof step === "number" ? schema?.items : schema?.properties?.[String(step)];
    value = (value as Record<PropertyKey, unknown> | undefined)?.[step];
    schema = chosen(schema, value);
  }
  return Object.keys(schema?.properties ?? {});
}

function chosen(schema: Schema | undefined, value: unknown): Schema | undefined {
  const alternatives = schema?.oneOf ?? schema?.anyOf;
  if (!alternatives) return schema;
  const behaviour = (value as { behaviour?: unknown } | undefined)?.behaviour;
  return alternatives.find((one) => one.properties?.behaviour?.const === behaviour);
}

/** The key that a slip of the hand most likely meant; undefined when none is near. */
export function nearest(key: string, keys: readonly string[]): string | undefined {
  const [best] = keys
    .map((candidate) => ({ candidate, distance: distance(key.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  return best && best.distance <= Math.max(1, Math.floor(key.length / 3)) ? best.candidate : undefined;
}

/** Edits that lead from one text to the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
