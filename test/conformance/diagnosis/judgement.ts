import type { Scenario } from "../../../src/host/index.ts";
import type { Outcome } from "./runs.ts";

/** No diagnosis may need more starts. */
export const MOST_BOOTS = 3;
/** Runs in which somebody was called probable who was not it, per cent. */
export const MOST_WRONG_PROBABLE = 2;

/** Stop codes by which special pool stops whoever touches what is not his, and not later. */
const AT_ACCESS = new Set(["0xcc", "0xcd", "0xd5", "0xd6"]);

type Finding = Outcome["boots"][number]["findings"][number];

/** How the runs of one scenario ended, over its seeds. */
export interface Judgement {
  readonly runs: number;
  readonly asExpected: number;
  /** What came instead, of the first run that did not end as expected. */
  readonly complaint: string | null;
  /** Starts until the verdict was there, at most; 0 where none came. */
  readonly boots: number;
  /** Runs with a finding that names somebody who was not it. */
  readonly wrongIdentified: number;
  readonly wrongProbable: number;
  /** Without any check on, and with the checks that the diagnosis armed; null: no such stop. */
  readonly without: Detection | null;
  readonly armed: Detection | null;
  /** Every run ended in a driver that special pool had stopped at the access. */
  readonly isStoppedAtAccess: boolean;
  /** Every run ended in a driver that a check had identified. */
  readonly isIdentified: boolean;
}

/** Means over the seeds, from when something was wrong first to the stop. */
export interface Detection {
  readonly seconds: number;
  /** Bytes of memory that were not the culprit's and had been changed. */
  readonly bytesOfOthers: number;
}

/** @param unchecked runs without the checks that the scenario has on from the first start, where it has some */
export function judgementOf(
  scenario: Scenario,
  outcomes: readonly Outcome[],
  unchecked: readonly Outcome[] = [],
): Judgement {
  const surprises = outcomes.flatMap(({ unexpected }) => unexpected?.[0] ?? []);
  const isWrong = (verdict: Finding["verdict"]) => (finding: Finding) =>
    finding.verdict === verdict && !isRight(scenario, finding);
  const wrong = (verdict: Finding["verdict"]) =>
    outcomes.filter(({ boots }) => boots.flatMap(({ findings }) => findings).some(isWrong(verdict))).length;
  return {
    runs: outcomes.length,
    asExpected: outcomes.filter(({ unexpected }) => unexpected?.length === 0).length,
    complaint: surprises[0] ?? null,
    boots: Math.max(...outcomes.map(bootsNeeded)),
    wrongIdentified: wrong("identified"),
    wrongProbable: wrong("probable"),
    without: detection(
      [...outcomes, ...unchecked].flatMap(({ boots }) => boots.filter(({ armed }) => armed.length === 0).slice(0, 1)),
    ),
    armed: detection(outcomes.flatMap(({ boots }) => boots.filter(({ armed }) => armed.length > 0).slice(-1))),
    isStoppedAtAccess: outcomes.every(({ boots }) => AT_ACCESS.has(boots.at(-1)?.crash?.stopCode ?? "")),
    isIdentified: outcomes.every(
      ({ verdict: { kind, confidence } }) => kind === "driver" && confidence === "identified",
    ),
  };
}

/** The scenario has planned it so, or names nobody of that kind. */
function isRight({ expect, verdict }: Scenario, { culprit: { name, kind } }: Finding): boolean {
  if ((verdict !== "none" && verdict?.culprit === name) || expect.some(({ culprit }) => culprit === name)) return true;
  return verdict !== undefined && verdict !== "none" && verdict.culprit === undefined && verdict.kind === kind;
}

/** Starts until a finding as sure as the verdict named whom the verdict names. */
function bootsNeeded({ boots, verdict: { culprit, confidence } }: Outcome): number {
  if (confidence === null) return 0;
  const first = boots.findIndex(({ findings }) =>
    findings.some((finding) => finding.culprit.name === culprit && finding.verdict === confidence),
  );
  return first < 0 ? boots.length : first + 1;
}

function detection(boots: readonly Outcome["boots"][number][]): Detection | null {
  const known = boots.flatMap(({ crash, harm }) =>
    crash === null || harm === null
      ? []
      : [{ seconds: crash.atSeconds - harm.begunAtSeconds, bytesOfOthers: harm.bytesOfOthers }],
  );
  if (known.length === 0) return null;
  const mean = (key: keyof Detection) => known.reduce((sum, one) => sum + one[key], 0) / known.length;
  return { seconds: mean("seconds"), bytesOfOthers: mean("bytesOfOthers") };
}
