/** What sets a name off from the words of a message around it. */
export type NameQuote = "`" | "";

/** A kind of document that people write, and how its room speaks of what is wrong in one. */
export interface DocumentKind {
  /** As in `cannot read the scenario`. */
  readonly name: string;
  /** The first part of its errors' codes: `scenario` in `scenario/unknown-key`. */
  readonly prefix: string;
  /** What an error shows of a wrong value: the value, or the key that it belongs to. */
  readonly pointsAt: "value" | "key";
  readonly quote: NameQuote;
}
