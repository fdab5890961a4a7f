import { hex } from "../../binary/index.ts";
import type { KernelCheck } from "../../dumpfile/index.ts";
import {
  type ArmedKernelCheck,
  type CheckRequest,
  isKernelCheck,
  type Procedure,
  THIRD_PARTY,
} from "./armed-checks.ts";
import type { CountedStop, DiagnosisState, StagedCheck, StopCode } from "./diagnosis-state.ts";
import type { StoredDiagnosis } from "./diagnosis-store.ts";
import { affordablePart, escalated } from "./escalation.ts";

/** Sessions without a stop after which the costliest check steps down. */
export const CLEAN_SESSIONS = 3;
/** Starts in a row that fail while checks are armed, after which these are what is believed to prevent it. */
export const FAILED_STARTS = 2;

/** What a check costs while it is armed, compared with the others. */
const COST: Readonly<Record<KernelCheck, number>> = {
  "special-pool": 5, // a page for each block
  "special-pool-start": 5,
  "force-irql": 4, // faults wherever IRQL is raised
  "pte-misuse": 3, // a record for each system PTE
  "locked-page-tracking": 2,
  "pool-tracking": 2,
  "dma-remapping": 2, // two changes of the IOMMU's tables for each page of a transfer
  "protect-freed-pool": 1, // a change of the page tables for each page that has no block any more
  "pte-tracking": 1,
  "unload-checks": 0,
};

/** What a session is begun with. */
export interface SessionStart {
  readonly boot: number;
  /** FILETIME. */
  readonly at: bigint;
  readonly procedures: readonly Procedure[];
  /** Names of the drivers that are not Windows' own. */
  readonly drivers: readonly string[];
}

/** What a session begins as, and what the console is to say about it. */
export interface SessionPlan {
  readonly state: DiagnosisState;
  readonly told: readonly string[];
}

/**
 * Takes note of how the last session ended, and decides what this one is to check (systems.md 6.4). Nothing else decides it: who asks from
 * outside leaves his wish in the store.
 */
export function beginSession(stored: StoredDiagnosis, start: SessionStart): SessionPlan {
  return new Beginning(stored, start).plan();
}

/** The checks of a state that are on. */
export const armedIn = ({ checks }: DiagnosisState): readonly ArmedKernelCheck[] =>
  checks.flatMap((one) => (isArmed(one) && isKernelCheck(one) ? [{ check: one.check, target: one.target }] : []));

const isArmed = ({ status }: StagedCheck) => status === "armed";

const nameOf = ({ check, target }: CheckRequest) => (target === null ? check : `${check} for ${target}`);

const isSame = (one: CheckRequest, other: CheckRequest) => one.check === other.check && one.target === other.target;

/** Whether whom a check is to be for is checked by another of the same kind already. */
const covers = (one: CheckRequest, { target }: CheckRequest) =>
  one.target === null || one.target === target || (one.target === THIRD_PARTY && target?.endsWith(".sys") === true);

class Beginning {
  readonly #before: StoredDiagnosis;
  readonly #start: SessionStart;
  readonly #told: string[] = [];
  #checks: readonly StagedCheck[];
  #cleanSessions: number;
  #found: number;
  /** Checks that were armed for the stop code which has come again: how wide they are is decided, and nobody's wish. */
  #widened: ReadonlySet<string> = new Set();

  constructor(before: StoredDiagnosis, start: SessionStart) {
    this.#before = before;
    this.#start = start;
    this.#checks = before.state.checks.filter(({ status }) => status !== "asked");
    this.#cleanSessions = before.state.cleanSessions;
    this.#found = before.state.found;
  }

  plan(): SessionPlan {
    const { state, isDamaged } = this.#before;
    const { stop } = state;
    if (isDamaged)
      this.#told.push("the record of the last session is damaged: it is not used, and what was known before it counts");
    const hasFailed = !isDamaged && state.boot > 0 && !state.isStartComplete && armedIn(state).length > 0;
    const failedStarts = hasFailed ? state.failedStarts + 1 : 0;
    if (failedStarts >= FAILED_STARTS) this.#disarm();
    else if (stop !== null) this.#afterStop(stop);
    else if (!isDamaged && state.isStartComplete) this.#afterCleanSession();
    const asked = state.checks.filter(({ status, check }) => status === "asked" && !this.#widened.has(check));
    this.#add(asked, stop?.stopCode ?? 0);
    this.#afford();
    return {
      state: {
        boot: this.#start.boot,
        isStartComplete: false,
        stop: null,
        cleanSessions: this.#cleanSessions,
        failedStarts: failedStarts >= FAILED_STARTS ? 0 : failedStarts,
        coverage: state.coverage,
        found: this.#found,
        damagedAtBoot: isDamaged ? this.#start.boot : state.damagedAtBoot,
        checks: this.#checks,
        stops: stop === null ? state.stops : counted(state.stops, stop.stopCode, state.boot),
      },
      told: this.#told,
    };
  }

  /** The machine has not come up with these checks: without them it may. */
  #disarm(): void {
    this.#told.push(`checks prevent the start, and are disarmed: ${this.#armed.map(nameOf).join(", ")}`);
    this.#checks = this.#checks.map((one) => (isArmed(one) ? this.#now(one, "prevents start") : one));
    this.#cleanSessions = 0;
  }

  #afterStop({ stopCode, tag }: StopCode): void {
    this.#cleanSessions = 0;
    const { procedures } = this.#start;
    const leading = this.#checksLeadingTo(stopCode);
    const found = this.#armed.find(({ check }) => leading.includes(check));
    if (found) {
      this.#found = stopCode;
      this.#told.push(`${hex(stopCode)} is what ${found.check} was armed to find`);
      return;
    }
    const again = this.#armed.filter((one) => one.stopCode === stopCode);
    const settled = this.#checksLeadingTo(this.#found);
    this.#widened = new Set(again.map((one) => one.check));
    for (const check of this.#widened)
      if (!settled.includes(check))
        this.#widen(
          again.filter((one) => one.check === check),
          stopCode,
          tag,
        );
    const wanted = procedures.filter((one) => one.stopCode === stopCode).flatMap(({ arm }) => arm);
    this.#add(
      wanted.filter(({ check }) => !this.#widened.has(check)),
      stopCode,
    );
  }

  /** The checks whose procedure comes to its end with a stop code. */
  #checksLeadingTo(stopCode: number): readonly string[] {
    const { procedures } = this.#start;
    const stages = procedures
      .filter((one) => one.stopCode === stopCode && one.after !== null)
      .map(({ after }) => after);
    return procedures
      .filter((one) => stages.includes(one.stopCode))
      .flatMap(({ arm }) => arm.map(({ check }) => check));
  }

  /** The same stop code again, though this was on: it is for more from now on. */
  #widen(entries: readonly StagedCheck[], stopCode: number, tag: number): void {
    const wanted = escalated(entries, tag);
    if (wanted.every((one) => entries.some((entry) => isSame(entry, one)))) return;
    this.#checks = this.#checks.filter((one) => !entries.includes(one));
    this.#told.push(`${hex(stopCode)} came again under ${entries.map(nameOf).join(", ")}: wider from now on`);
    this.#add(wanted, stopCode);
  }

  #afterCleanSession(): void {
    const [costliest] = this.#armed
      .flatMap((one) => (isKernelCheck(one) ? [one.check] : []))
      .sort((one, other) => COST[other] - COST[one]);
    if (costliest === undefined) return;
    this.#cleanSessions++;
    if (this.#cleanSessions < CLEAN_SESSIONS) return;
    this.#cleanSessions = 0;
    this.#told.push(`${CLEAN_SESSIONS} sessions without a stop: ${costliest} steps down`);
    this.#checks = this.#checks.map((one) =>
      isArmed(one) && one.check === costliest ? this.#now(one, "stepped down") : one,
    );
  }

  /** Arms what is not armed yet, unless it is known to prevent the start. */
  #add(requests: readonly CheckRequest[], stopCode: number): void {
    for (const request of requests) {
      if (!isKernelCheck(request)) {
        this.#told.push(`not armed: this kernel has no check ${request.check}`);
        continue;
      }
      const same = this.#checks.filter(({ check }) => check === request.check);
      if (same.some(({ status }) => status === "prevents start")) {
        this.#told.push(`not armed: with ${request.check} on, this machine did not start`);
        continue;
      }
      if (same.some((one) => isArmed(one) && covers(one, request))) continue;
      const { check, target } = request;
      this.#checks = this.#checks.filter((one) => isArmed(one) || !isSame(one, request));
      this.#checks = [
        ...this.#checks,
        this.#now({ check, target, stopCode, status: "armed", boot: 0, at: 0n, isPart: false }, "armed"),
      ];
      this.#cleanSessions = 0;
    }
  }

  /** What cannot be afforded for all is armed for a part, unless it has found something all the same. */
  #afford(): void {
    const { boot, drivers } = this.#start;
    const settled = this.#checksLeadingTo(this.#found);
    this.#checks = this.#checks.flatMap((one) => {
      const part =
        isArmed(one) && !settled.includes(one.check)
          ? affordablePart(one, this.#before.state.coverage, drivers, boot)
          : null;
      if (part === null) return [one];
      this.#told.push(
        `${nameOf(one)} cannot be afforded: it is armed for ${part.map(({ target }) => target).join(", ")}`,
      );
      return part.map((request) => this.#now({ ...one, ...request, isPart: true }, "armed"));
    });
  }

  get #armed(): readonly StagedCheck[] {
    return this.#checks.filter(isArmed);
  }

  #now(check: StagedCheck, status: StagedCheck["status"]): StagedCheck {
    return { ...check, status, boot: this.#start.boot, at: this.#start.at };
  }
}

function counted(stops: readonly CountedStop[], stopCode: number, boot: number): readonly CountedStop[] {
  if (!stops.some((one) => one.stopCode === stopCode)) return [...stops, { stopCode, count: 1, firstBoot: boot }];
  return stops.map((one) => (one.stopCode === stopCode ? { ...one, count: one.count + 1 } : one));
}
