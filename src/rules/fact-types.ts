import { z } from "zod";
import { facts } from "../analysis/facts.ts";

/**
 * The shape of the facts as rules see it, read off the facts schema itself: a fact that the schema gains is at once a fact
 * that rules may ask for, and a name that it does not have is refused when a pack is loaded.
 */
export type FactType =
  | {
      readonly kind: "text" /** The only values there are, when they are few. */;
      readonly values: readonly string[] | null;
    }
  | { readonly kind: "number" }
  | { readonly kind: "flag" }
  | { readonly kind: "list"; readonly of: FactType }
  | { readonly kind: "map"; readonly of: FactType }
  | RecordType;

export interface RecordType {
  readonly kind: "record";
  /** Its path, which is also its name as a CEL type. */
  readonly name: string;
  readonly fields: ReadonlyMap<string, FactType>;
}

function typeOf(schema: unknown, path: string): FactType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return typeOf(schema.unwrap(), path);
  if (schema instanceof z.ZodObject) return recordOf(schema, path);
  if (schema instanceof z.ZodArray) return { kind: "list", of: typeOf(schema.element, path) };
  if (schema instanceof z.ZodRecord) return { kind: "map", of: typeOf(schema.valueType, path) };
  if (schema instanceof z.ZodEnum) return { kind: "text", values: schema.options.map(String) };
  if (schema instanceof z.ZodLiteral) return { kind: "text", values: [...schema.values].map(String) };
  if (schema instanceof z.ZodString) return { kind: "text", values: null };
  if (schema instanceof z.ZodNumber) return { kind: "number" };
  if (schema instanceof z.ZodBoolean) return { kind: "flag" };
  throw new Error(`the fact ${path} has a type that rules cannot read`);
}

function recordOf(schema: z.ZodObject, path: string): RecordType {
  const fields = Object.entries(schema.shape).map(
    ([name, field]) => [name, typeOf(field, path === "" ? name : `${path}.${name}`)] as const,
  );
  return { kind: "record", name: path, fields: new Map(fields) };
}

/** All facts: the record whose fields are the variables of an expression. */
export const factsType: RecordType = recordOf(facts, "");

/** Every record type below the facts, innermost first, so that each is known before it is used. */
export const recordTypes: readonly RecordType[] = collect(factsType).slice(0, -1);

function collect(type: FactType): RecordType[] {
  if (type.kind === "list" || type.kind === "map") return collect(type.of);
  return type.kind === "record" ? [...[...type.fields.values()].flatMap(collect), type] : [];
}

/** The type's name in CEL. Numbers are doubles there, whole ones too. */
export function celType(type: FactType): string {
  if (type.kind === "text") return "string";
  if (type.kind === "number") return "double";
  if (type.kind === "flag") return "bool";
  if (type.kind === "list") return `list<${celType(type.of)}>`;
  if (type.kind === "map") return `map<string, ${celType(type.of)}>`;
  return type.name;
}

/** The field of a record, a map's value, or null when there is no such fact. */
export function fieldType(type: FactType, field: string): FactType | null {
  if (type.kind === "map") return type.of;
  return type.kind === "record" ? (type.fields.get(field) ?? null) : null;
}

/** The parts of `path` up to and with the first that is not a fact, and what could have stood there; null when all are. */
export function unknownFact(
  path: string,
): { readonly path: string; readonly name: string; readonly known: string[] } | null {
  let type: FactType = factsType;
  const parts = path.split(".");
  for (const [index, name] of parts.entries()) {
    const next = fieldType(type, name);
    if (next === null) {
      const known = type.kind === "record" ? [...type.fields.keys()] : [];
      return { path: parts.slice(0, index + 1).join("."), name, known };
    }
    type = next;
  }
  return null;
}

/** The facts schema with nothing required, for the facts that a test of a rule writes down. Unknown keys are still refused. */
export const partialFacts: z.ZodType = partial(facts);

function partial(schema: unknown): z.ZodType {
  if (schema instanceof z.ZodOptional) return partial(schema.unwrap());
  if (schema instanceof z.ZodNullable) return partial(schema.unwrap()).nullable();
  if (schema instanceof z.ZodArray) return z.array(partial(schema.element));
  if (!(schema instanceof z.ZodObject)) return schema as z.ZodType;
  const shape = Object.entries(schema.shape).map(([name, field]) => [name, partial(field).optional()]);
  return z.strictObject(Object.fromEntries(shape));
}
