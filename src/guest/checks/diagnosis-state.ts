import type { CheckRequest } from "./armed-checks.ts";

/** How a bug check ended a session. */
export interface StopCode {
  readonly stopCode: number;
  readonly parameters: readonly [bigint, bigint, bigint, bigint];
  /** Pool tag of the block before the damage, where the pool met some; else 0. */
  readonly tag: number;
}

/** What has become of a check that somebody asked for, or that a stop code led to. */
export const CHECK_STATUS = ["asked", "armed", "stepped down", "prevents start"] as const;

/** A check in the stages of the procedure (systems.md 6.4). */
export interface StagedCheck extends CheckRequest {
  readonly status: (typeof CHECK_STATUS)[number];
  /** The stop code that it is armed for; 0 where somebody asked for it without one. */
  readonly stopCode: number;
  /** The start at which it came to be what it is. */
  readonly boot: number;
  /** FILETIME of that start. */
  readonly at: bigint;
  /** It is for some of what it ought to be for, because all could not be afforded. */
  readonly isPart: boolean;
}

/** How often sessions have ended in a stop code. */
export interface CountedStop {
  readonly stopCode: number;
  readonly count: number;
  readonly firstBoot: number;
}

/** What a partition remembers of its sessions, whatever ended them. */
export interface DiagnosisState {
  /** Which session wrote it, from 1; 0 before the first. */
  readonly boot: number;
  /** That session's drivers were all started. */
  readonly isStartComplete: boolean;
  /** What that session ended in, until a later one has taken note of it. */
  readonly stop: StopCode | null;
  /** Sessions in a row that ended without a stop, since something was armed or stepped down last. */
  readonly cleanSessions: number;
  /** Starts in a row that did not become complete while something was armed. */
  readonly failedStarts: number;
  /** Of a thousand blocks that special pool was to hold, how many it held, up to the last stop. */
  readonly coverage: number;
  /** The stop code that the procedure has led to, which says who it was; 0 as long as there is none. */
  readonly found: number;
  /** The last start that found the record of the session before it damaged; 0: none has. */
  readonly damagedAtBoot: number;
  readonly checks: readonly StagedCheck[];
  readonly stops: readonly CountedStop[];
}

export const NOTHING_KNOWN: DiagnosisState = {
  boot: 0,
  isStartComplete: false,
  stop: null,
  cleanSessions: 0,
  failedStarts: 0,
  coverage: 1000,
  found: 0,
  damagedAtBoot: 0,
  checks: [],
  stops: [],
};
