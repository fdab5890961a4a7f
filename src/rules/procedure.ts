import type { RulePack } from "./rule.ts";

/** What follows a stop code: plain data, handed to a guest at boot so that it can arm itself without any agent. */
export interface ProcedureStage {
  /** `0x3f`. */
  readonly stopCode: string;
  /** The stop code whose check leads to this one; null for a first stage. */
  readonly after: string | null;
  /** What to switch on for the next start; empty where the procedure has come to its end. */
  readonly checks: readonly string[];
  readonly rule: string;
}

/** The staged procedure of all packs, by stop code. Drafts have no say in it. */
export function procedureTable(packs: readonly RulePack[]): ProcedureStage[] {
  return packs
    .flatMap(({ rules }) => rules)
    .flatMap(({ id, status, procedure }) => {
      if (procedure === null || status === "draft") return [];
      const { stopCode, after, check } = procedure;
      return [{ stopCode, after, checks: check === null ? [] : [check], rule: id }];
    })
    .sort((left, right) => Number(left.stopCode) - Number(right.stopCode));
}
