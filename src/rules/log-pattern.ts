import type { RegularExpression } from "./regular-expression.ts";

/** What a rule looks for in the log: the first line that matches, and does not match `unless`. */
export interface LogPattern {
  readonly match: RegularExpression;
  readonly unless: RegularExpression | null;
}

/** A line of the log, as evidence. */
export interface LogLine {
  readonly text: string;
  /** Counted from 1, as the log is printed. */
  readonly line: number;
  /** Seconds since boot, where the kernel said so. */
  readonly seconds: number | null;
}

/** What came of a pattern. */
export type PatternAnswer =
  | {
      readonly kind: "found";
      readonly line: LogLine;
      /** What the named captures took; null for those that took no part. */
      readonly captures: Readonly<Record<string, string | null>>;
    }
  | { readonly kind: "absent" }
  /** It could not be looked for to the end. */
  | { readonly kind: "stopped"; readonly reason: string };
