/** A kind of document that people write, and how its room speaks of what is wrong in one. */
export interface DocumentKind {
  /** As in `cannot read the scenario`. */
  readonly name: string;
  /** The first part of its errors' codes: `scenario` in `scenario/unknown-key`. */
  readonly prefix: string;
}
