import type { DocumentProblem } from "../document/index.ts";
import { type GitCommit, gitCommit } from "./git-commit.ts";
import { loadPacks, readPacks } from "./loader.ts";
import { shippedPacks } from "./pack-sources.ts";
import type { Rule, RulePack } from "./rule.ts";

/** A pack as a list shows it: who it is from and what its rules are for, without their compiled expressions. */
export interface PackSummary {
  readonly id: string;
  readonly version: string;
  readonly title: string;
  readonly owner: string;
  readonly file: string;
  readonly references: readonly string[];
  /** The commit its file comes from, where it lies in a git checkout. */
  readonly commit: GitCommit | null;
  readonly rules: readonly (Pick<Rule, "id" | "status" | "severity" | "verdict" | "summary" | "requires"> & {
    readonly arms: readonly string[];
  })[];
}

/** The document of `rules list --json`: the packs named, or the shipped ones. @throws StopcodeError for a pack that is not sound or signed */
export function listPacks(sources: readonly string[], signedBy?: string): PackSummary[] {
  return packSummaries(loadPacks(sources.length === 0 ? [shippedPacks] : sources, signedBy));
}

function packSummaries(packs: readonly RulePack[]): PackSummary[] {
  return packs.map(({ id, version, title, owner, file, references, rules }) => ({
    ...{ id, version, title, owner, file, references, commit: gitCommit(file) },
    rules: rules.map((rule) => ({
      ...{ id: rule.id, status: rule.status, severity: rule.severity, verdict: rule.verdict },
      ...{ summary: rule.summary, requires: rule.requires },
      arms: rule.arm.map(({ check }) => check),
    })),
  }));
}

/** The document of `rules lint --json`: the packs that are sound, and everything wrong with the others. */
export interface LintResult {
  readonly packs: readonly PackSummary[];
  readonly problems: readonly DocumentProblem[];
  /** What is sound and yet costs more than it need; no reason to refuse a pack. */
  readonly warnings: readonly DocumentProblem[];
}

/** Checks packs (none named: the shipped ones). @throws StopcodeError `io/open` for a path that leads nowhere */
export function lintPacks(sources: readonly string[], signedBy?: string): LintResult {
  const { packs, problems, warnings } = readPacks(sources.length === 0 ? [shippedPacks] : sources, signedBy);
  return { packs: packSummaries(packs), problems, warnings };
}
