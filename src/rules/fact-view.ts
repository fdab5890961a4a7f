import type { Facts } from "../analysis/facts.ts";
import { type FactType, factsType, type RecordType, recordTypes } from "./fact-types.ts";

/** A rule used up its steps: it would take too long, whatever it would have said. */
export class OutOfSteps extends Error {}

/** A value that an expression needs is not among the facts. */
export class MissingFact extends Error {
  readonly path: string;
  constructor(path: string) {
    super(`no fact ${path}`);
    this.path = path;
  }
}

/**
 * What an evaluation may still spend. A step is the reading of one fact; reading a list costs its length, because whoever reads a
 * list goes through it. Expressions have no other loops, so their time is bounded by what they read times their own size, which
 * is why the price of a step rises with the size of the expression (`weight`).
 */
export class Meter {
  static readonly STEPS_PER_RULE = 1_000_000;
  static readonly STEPS_PER_PACK = 4_000_000;
  weight = 1;
  /** Told of each fact that is read, by the record that holds it; null where nobody wants to know. */
  onRead: ((record: object, field: string) => void) | null = null;
  #ofRule = 0;
  #ofPack = 0;

  beginPack(): void {
    this.#ofPack = 0;
  }

  beginRule(): void {
    this.#ofRule = 0;
  }

  charge(steps: number): void {
    // A loop may swallow this and go on: what it goes on with is not charged to the rules after it.
    if (this.exhausted) throw new OutOfSteps();
    this.#ofRule += steps * this.weight;
    this.#ofPack += steps * this.weight;
    if (this.exhausted) throw new OutOfSteps();
  }

  get exhausted(): boolean {
    return this.#ofRule > Meter.STEPS_PER_RULE || this.#ofPack > Meter.STEPS_PER_PACK;
  }
}

/**
 * The facts as an expression sees them: read-only, without anything but the declared fields, null and absent alike, each
 * reading counted. Built as it is read, so that a log of a hundred thousand lines costs nothing to a rule that never asks for it.
 */
export class FactRecord {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #meter: Meter;
  #views: Map<string, unknown> | null = null;

  constructor(values: object, meter: Meter) {
    this.#values = values as Readonly<Record<string, unknown>>;
    this.#meter = meter;
  }

  static read(record: FactRecord, field: string, type: FactType): unknown {
    record.#meter.onRead?.(record.#values, field);
    const value = Object.hasOwn(record.#values, field) ? record.#values[field] : undefined;
    if (value === null || value === undefined) {
      record.#meter.charge(1);
      return undefined;
    }
    record.#meter.charge(price(value));
    if (type.kind === "text" || type.kind === "number" || type.kind === "flag") return value;
    record.#views ??= new Map();
    const seen = record.#views.get(field);
    if (seen !== undefined) return seen;
    const made = view(value, type, record.#meter);
    record.#views.set(field, made);
    return made;
  }
}

const CHARACTERS_PER_STEP = 64;

/** The steps that reading a value costs: one, and more for a long text or a list. */
export function price(value: unknown): number {
  if (typeof value === "string") return 1 + value.length / CHARACTERS_PER_STEP;
  return Array.isArray(value) ? 1 + value.length : 1;
}

function view(value: unknown, type: FactType, meter: Meter): unknown {
  if (type.kind === "list") {
    return Object.freeze((value as unknown[]).map((element) => view(element, type.of, meter)));
  }
  if (type.kind === "map") {
    return Object.freeze(Object.assign(Object.create(null), value));
  }
  return type.kind === "record" ? new (viewClass(type))(value as object, meter) : value;
}

const makeClass = (type: RecordType): typeof FactRecord => {
  const made = class extends FactRecord {};
  for (const [field, fieldType] of type.fields) {
    Object.defineProperty(made.prototype, field, {
      get(this: FactRecord) {
        return FactRecord.read(this, field, fieldType);
      },
    });
  }
  return made;
};

const classes = new Map([...recordTypes, factsType].map((type) => [type, makeClass(type)]));

/** The class of a record's views; the expression environment knows each record type by it. */
export const viewClass = (type: RecordType): typeof FactRecord => classes.get(type)!;

export const viewFacts = (facts: Facts, meter: Meter): FactRecord => new (viewClass(factsType))(facts, meter);

/** Whether the fact at a dotted path is there (`requires`). */
export function hasFact(facts: Facts, path: string): boolean {
  let value: unknown = facts;
  for (const part of path.split(".")) {
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, part)) return false;
    value = (value as Record<string, unknown>)[part];
  }
  return value !== null && value !== undefined;
}
