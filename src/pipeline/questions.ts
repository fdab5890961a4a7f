import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { analyze, type Facts, readLogFile } from "../analysis/index.ts";
import { type Manifest, openCrash } from "../archive/index.ts";
import { parseHex, StopcodeError } from "../binary/index.ts";
import { CrashHistory, type HistoryFilter, type HistoryRow } from "../history/index.ts";
import {
  type Diagnosis,
  diagnose,
  type Explanation,
  explainRule,
  type Finding,
  loadPacks,
  type RulePack,
  ruleNamed,
  sureness,
} from "../rules/index.ts";

/** What is to be diagnosed: a dump or a recorded crash, a log that was kept outside of it, or both. */
export interface DiagnosisTarget {
  readonly target: string | undefined;
  /** Takes the place of the log in the dump. */
  readonly log: string | undefined;
}

/** @throws StopcodeError `usage/no-target` when there is neither */
async function factsToAsk(home: string, { target, log }: DiagnosisTarget): Promise<Facts> {
  if (target === undefined && log === undefined)
    throw new StopcodeError("usage/no-target", "nothing to diagnose", {
      hint: "name a dump, a recorded crash, or --log FILE",
    });
  const read = log === undefined ? null : readLogFile(log);
  const facts: Facts =
    target === undefined
      ? { schema: "stopcode/facts/1", os: { family: "unknown" } }
      : (await factsOf(home, target)).facts;
  return read === null ? facts : { ...facts, log: read };
}

/** The facts of a dump file, of a crash folder, or of a recorded crash named by its id; with the name of the file or the crash. */
export async function factsOf(home: string, target: string): Promise<{ readonly name: string; readonly facts: Facts }> {
  const name = basename(target);
  if (existsSync(join(target, "crash.json"))) return { name, facts: factsOfFolder(target) };
  if (existsSync(target) || target.includes("/")) return { name, facts: await analyze(target) };
  const history = await CrashHistory.open(home);
  try {
    const { row, folder } = history.find(target);
    return { name: row.id, facts: factsOfFolder(folder) };
  } finally {
    history.close();
  }
}

function factsOfFolder(folder: string): Facts {
  const { manifest } = openCrash(folder);
  if (manifest.files.some((file) => file.name === "facts.json"))
    return JSON.parse(readFileSync(join(folder, "facts.json"), "utf8")) as Facts;
  throw new StopcodeError("archive/no-facts", "this crash left no pages, so there are no facts to diagnose", {
    where: { file: folder },
    hint: manifest.skipped.map((skipped) => `${skipped.partition}: ${skipped.reason}`).join("; ") || "see crash.json",
  });
}

/** Which packs are asked. */
export interface PackChoice {
  /** Files, folders and packages (`npm:NAME`); none: the packs that ship. */
  readonly sources: readonly string[];
  /** A file of public keys, one of which must have signed them; undefined: nobody need have. */
  readonly signedBy: string | undefined;
}

/** The packs chosen. */
export const rulesOf = ({ sources, signedBy }: PackChoice): RulePack[] =>
  loadPacks(sources.length === 0 ? undefined : sources, signedBy);

/** The document of `diagnose --json`. */
export type DiagnosisDocument = { readonly facts: Facts } & Diagnosis;

/** Asks the packs (none named: the shipped ones) about a dump file, a recorded crash, or a log. */
export async function diagnoseTarget(
  home: string,
  target: DiagnosisTarget,
  packs: PackChoice,
): Promise<DiagnosisDocument> {
  const rules = rulesOf(packs);
  const facts = await factsToAsk(home, target);
  return { facts, ...diagnose(facts, rules) };
}

/**
 * Why one rule fired on a target, or which of its conditions did not hold.
 * @throws StopcodeError `usage/unknown-rule`
 */
export async function explainTarget(
  home: string,
  target: DiagnosisTarget,
  packs: PackChoice,
  ruleId: string,
): Promise<Explanation> {
  const rule = ruleNamed(ruleId, rulesOf(packs));
  return explainRule(await factsToAsk(home, target), rule);
}

/** True when a finding is at least this sure. */
export function reaches(findings: readonly Finding[], threshold: Finding["verdict"]): boolean {
  return findings.some((finding) => finding.verdict !== "excluded" && sureness(finding.verdict) <= sureness(threshold));
}

/** The document of `history list --json`. @throws StopcodeError `usage/…` for a stop code or date that is none */
export async function listHistory(home: string, filter: HistoryFilter): Promise<HistoryRow[]> {
  const { stopCode, since } = filter;
  const code = stopCode === undefined ? null : parseHex(stopCode);
  if (stopCode !== undefined && code === null)
    throw new StopcodeError("usage/stop-code", `${stopCode} is not a stop code`, { hint: "write it as 0xD8" });
  if (since !== undefined && Number.isNaN(Date.parse(since)))
    throw new StopcodeError("usage/date", `${since} is not a date`, {
      hint: "write it as 2026-01-31 or 2026-01-31T04:00Z",
    });
  const history = await CrashHistory.open(home);
  try {
    return history.list({
      ...filter,
      stopCode: code === null ? undefined : `0x${code.toString(16)}`,
      since: since === undefined ? undefined : new Date(since).toISOString(),
    });
  } finally {
    history.close();
  }
}

/** The document of `history show --json`. */
export interface CrashDocument extends HistoryRow {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly facts: Facts | null;
  readonly findings: readonly Finding[];
}

/** One recorded crash with everything its folder holds. */
export async function showCrash(home: string, id: string): Promise<CrashDocument> {
  const history = await CrashHistory.open(home);
  try {
    const { row, folder } = history.find(id);
    const { manifest } = openCrash(folder);
    const read = <T>(name: string): T | null =>
      manifest.files.some((file) => file.name === name)
        ? (JSON.parse(readFileSync(join(folder, name), "utf8")) as T)
        : null;
    const findings = read<Diagnosis>("findings.json")?.findings ?? [];
    return { ...row, folder, manifest, facts: read<Facts>("facts.json"), findings };
  } finally {
    history.close();
  }
}
