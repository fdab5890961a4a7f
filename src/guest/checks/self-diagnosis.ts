import { hex } from "../../binary/index.ts";
import type { DiagnosisState, StagedCheck } from "./diagnosis-state.ts";
import { readDiagnosis } from "./diagnosis-store.ts";

/** A check that is, or was, armed: what for, and since when. */
export interface SelfDiagnosisCheck {
  readonly check: string;
  readonly target: string | null;
  /** The stop code that it is armed for, such as `0x3f`; null where somebody asked for it without one. */
  readonly stopCode: string | null;
  /** Since which start it is what it is, from 1. */
  readonly boot: number;
  /** When that start was: ISO, UTC. */
  readonly at: string;
}

/** What a partition does to find out by itself what is wrong with it, as people are told. */
export interface SelfDiagnosis {
  /** `isPart`: it is for some of what it ought to be for, because all could not be afforded. */
  readonly armed: readonly (SelfDiagnosisCheck & { readonly isPart: boolean })[];
  readonly steppedDown: readonly SelfDiagnosisCheck[];
  /** With these on, the partition did not start: they are not armed again. */
  readonly preventingStart: readonly SelfDiagnosisCheck[];
  readonly cleanSessions: number;
  /** The stop code that a check was armed to find, and has; null as long as none has. */
  readonly found: string | null;
  readonly stops: readonly { readonly stopCode: string; readonly count: number; readonly firstBoot: number }[];
  /** The last start that found what the store held of the session before it damaged, and did not use it; null: none has. */
  readonly damagedAtBoot: number | null;
}

const UNIX_EPOCH = 116_444_736_000_000_000n;

/** What stands in a partition's non-volatile store. */
export function selfDiagnosis(store: Uint8Array): SelfDiagnosis {
  const { state } = readDiagnosis(store);
  return {
    armed: those(state, "armed").map((one) => ({ ...told(one), isPart: one.isPart })),
    steppedDown: those(state, "stepped down").map(told),
    preventingStart: those(state, "prevents start").map(told),
    cleanSessions: state.cleanSessions,
    found: state.found === 0 ? null : hex(state.found),
    stops: state.stops.map((stop) => ({ ...stop, stopCode: hex(stop.stopCode) })),
    damagedAtBoot: state.damagedAtBoot || null,
  };
}

const those = ({ checks }: DiagnosisState, status: StagedCheck["status"]) =>
  checks.filter((one) => one.status === status);

const told = ({ check, target, stopCode, boot, at }: StagedCheck): SelfDiagnosisCheck => ({
  check,
  target,
  stopCode: stopCode === 0 ? null : hex(stopCode),
  boot,
  at: new Date(Number((at - UNIX_EPOCH) / 10_000n)).toISOString(),
});
