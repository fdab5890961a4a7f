import type { Expression } from "./expression.ts";
import type { Finding } from "./finding.ts";
import type { LogPattern } from "./log-pattern.ts";
import type { RuleSource } from "./pack-schema.ts";
import type { Template } from "./template.ts";

export interface CulpritTemplate {
  readonly kind: Finding["culprit"]["kind"];
  readonly name: Template;
}

/** A rule, compiled: nothing in it can be misspelt any more. */
export interface Rule {
  readonly id: string;
  /** The id of its pack. */
  readonly pack: string;
  readonly status: RuleSource["status"];
  readonly severity: Finding["severity"];
  readonly verdict: Finding["verdict"];
  readonly summary: string;
  readonly requires: readonly string[];
  readonly log: readonly LogPattern[];
  readonly names: ReadonlyMap<string, Expression>;
  readonly when: readonly Expression[];
  readonly title: Template;
  readonly culprit: CulpritTemplate;
  readonly bystander: CulpritTemplate | null;
  readonly evidence: readonly { readonly text: Template; readonly address: Template | null }[];
  readonly advice: Template;
  readonly arm: readonly { readonly check: string; readonly target: Template | null; readonly how: Template | null }[];
  readonly procedure: {
    readonly stopCode: string;
    readonly after: string | null;
    readonly check: string | null;
  } | null;
  /** Where the rule begins in its file. */
  readonly where: { readonly file: string; readonly line: number; readonly column: number };
}

/** Whether a name of a rule stands for what a log pattern captured, and not for an expression. */
export const isCapture = (name: string, { log }: Rule): boolean => log.some(({ match }) => match.names.includes(name));

export interface RulePack {
  readonly id: string;
  readonly version: string;
  readonly title: string;
  readonly owner: string;
  readonly references: readonly string[];
  readonly file: string;
  readonly rules: readonly Rule[];
}
