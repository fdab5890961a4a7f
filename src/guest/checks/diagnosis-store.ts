import { crc32 } from "node:zlib";
import { layout, text, u32, u64 } from "../../binary/index.ts";
import type { CheckRequest } from "./armed-checks.ts";
import {
  CHECK_STATUS,
  type DiagnosisState,
  NOTHING_KNOWN,
  type StagedCheck,
  type StopCode,
} from "./diagnosis-state.ts";

const SIGNATURE = 0x4741_4944; // "DIAG"
const VERSION = 1;
const MOST_CHECKS = 24;
const MOST_STOPS = 24;

/** What the kernel keeps in non-volatile memory between two starts. The checksum covers everything behind it, up to the end of the slot. */
// biome-ignore format: a table
const header = layout("DIAGNOSIS_STATE", 0x60, {
  signature:     u32(0x00, "DIAG"),
  version:       u32(0x04, "1"),
  checksum:      u32(0x08, "CRC-32 of the bytes from 0x0C to the end of the slot"),
  sequence:      u32(0x0c, "of two slots that are whole, the one with the higher number counts"),
  boot:          u32(0x10, "which start wrote it, from 1"),
  flags:         u32(0x14, "1: all drivers were started; 2: the stop code is of that start, and no later one has taken note of it"),
  stopCode:      u32(0x18),
  tag:           u32(0x1c, "pool tag of the block before the damage, 0 for none"),
  parameter1:    u64(0x20),
  parameter2:    u64(0x28),
  parameter3:    u64(0x30),
  parameter4:    u64(0x38),
  cleanSessions: u32(0x40),
  failedStarts:  u32(0x44),
  coverage:      u32(0x48, "per thousand"),
  found:         u32(0x4c, "stop code"),
  checkCount:    u32(0x50, "STAGED_CHECK entries in use"),
  stopCount:     u32(0x54, "COUNTED_STOP entries in use"),
  damagedAtBoot: u32(0x58, "which start found the record damaged, 0 for none"),
});

// biome-ignore format: a table
const stagedCheck = layout("STAGED_CHECK", 0x78, {
  check:    text(0x00, 0x20),
  target:   text(0x20, 0x40, "a driver, a pool tag, third-party; empty for the whole system"),
  status:   u32(0x60, "CHECK_STATUS"),
  stopCode: u32(0x64),
  boot:     u32(0x68),
  isPart:   u32(0x6c, "1: all could not be afforded"),
  at:       u64(0x70, "FILETIME"),
});

const countedStop = layout("COUNTED_STOP", 0x0c, {
  stopCode: u32(0x00),
  count: u32(0x04),
  firstBoot: u32(0x08),
});

const CHECKS_AT = header.size;
const STOPS_AT = CHECKS_AT + MOST_CHECKS * stagedCheck.size;
const SLOT_BYTES = STOPS_AT + MOST_STOPS * countedStop.size;
const SLOTS = [0, SLOT_BYTES] as const;

const START_COMPLETE = 1;
const STOPPED = 2;

export interface StoredDiagnosis {
  readonly state: DiagnosisState;
  /** A slot was damaged, or a write into it was cut off: the state is that of the other, or none. */
  readonly isDamaged: boolean;
}

/** What the sessions before have left; nothing is changed. */
export function readDiagnosis(store: Uint8Array): StoredDiagnosis {
  const newest = newestSlot(store);
  const isDamaged = SLOTS.some((slot) => header.read(store, slot).signature !== 0 && !isWhole(store, slot));
  return { state: newest === null ? NOTHING_KNOWN : read(store, newest), isDamaged };
}

/**
 * Leaves a state in place of the one that counted so far. It goes into the other slot, and counts from its last byte on: whoever is
 * killed meanwhile leaves the old state or the new one.
 */
export function writeDiagnosis(store: Uint8Array, state: DiagnosisState): void {
  const newest = newestSlot(store);
  const slot = newest === SLOTS[0] ? SLOTS[1] : SLOTS[0];
  const sequence = newest === null ? 1 : header.read(store, newest).sequence + 1;
  store.set(encode(state, sequence), slot);
}

/** Leaves for the next start what it is to check besides what is armed. */
export function askForChecks(store: Uint8Array, requests: readonly CheckRequest[]): void {
  if (requests.length === 0) return;
  const { state } = readDiagnosis(store);
  const asked = requests.map((request) => ({
    ...{ check: request.check, target: request.target },
    ...{ status: "asked" as const, stopCode: 0, boot: state.boot, at: 0n, isPart: false },
  }));
  writeDiagnosis(store, { ...state, checks: [...state.checks, ...asked] });
}

/** All drivers of a session are started. */
export function completeStart(store: Uint8Array): void {
  writeDiagnosis(store, { ...readDiagnosis(store).state, isStartComplete: true });
}

/** A session ends in a bug check. @param coverage per thousand, of special pool; null where it was not armed */
export function recordStop(store: Uint8Array, boot: number, stop: StopCode, coverage: number | null): void {
  const { state } = readDiagnosis(store);
  writeDiagnosis(store, { ...state, boot, stop, coverage: coverage ?? state.coverage });
}

function read(store: Uint8Array, slot: number): DiagnosisState {
  const { flags, checkCount, stopCount, ...head } = header.read(store, slot);
  return {
    boot: head.boot,
    isStartComplete: (flags & START_COMPLETE) !== 0,
    stop:
      flags & STOPPED
        ? {
            stopCode: head.stopCode,
            parameters: [head.parameter1, head.parameter2, head.parameter3, head.parameter4],
            tag: head.tag,
          }
        : null,
    cleanSessions: head.cleanSessions,
    failedStarts: head.failedStarts,
    coverage: head.coverage,
    found: head.found,
    damagedAtBoot: head.damagedAtBoot,
    checks: Array.from({ length: checkCount }, (_, index) => {
      const { target, status, isPart, ...entry } = stagedCheck.read(store, slot + CHECKS_AT + index * stagedCheck.size);
      return { ...entry, target: target || null, status: CHECK_STATUS[status]!, isPart: isPart !== 0 };
    }),
    stops: Array.from({ length: stopCount }, (_, index) =>
      countedStop.read(store, slot + STOPS_AT + index * countedStop.size),
    ),
  };
}

function encode(state: DiagnosisState, sequence: number): Uint8Array {
  const bytes = new Uint8Array(SLOT_BYTES);
  // What is over is forgotten first.
  const isOver = ({ status }: StagedCheck) => status === "stepped down";
  const keptChecks = [...state.checks.filter((one) => !isOver(one)), ...state.checks.filter(isOver)].slice(
    0,
    MOST_CHECKS,
  );
  const keptStops = state.stops.slice(-MOST_STOPS);
  const [parameter1, parameter2, parameter3, parameter4] = state.stop?.parameters ?? [0n, 0n, 0n, 0n];
  header.write(bytes, 0, {
    signature: SIGNATURE,
    version: VERSION,
    sequence,
    boot: state.boot,
    flags: (state.isStartComplete ? START_COMPLETE : 0) | (state.stop === null ? 0 : STOPPED),
    ...{ stopCode: state.stop?.stopCode ?? 0, tag: state.stop?.tag ?? 0 },
    ...{ parameter1, parameter2, parameter3, parameter4 },
    ...{ cleanSessions: state.cleanSessions, failedStarts: state.failedStarts },
    ...{ coverage: state.coverage, found: state.found, damagedAtBoot: state.damagedAtBoot },
    ...{ checkCount: keptChecks.length, stopCount: keptStops.length },
  });
  keptChecks.forEach(({ target, status, isPart, ...entry }, index) => {
    stagedCheck.write(bytes, CHECKS_AT + index * stagedCheck.size, {
      ...entry,
      target: target ?? "",
      status: CHECK_STATUS.indexOf(status),
      isPart: isPart ? 1 : 0,
    });
  });
  keptStops.forEach((stop, index) => {
    countedStop.write(bytes, STOPS_AT + index * countedStop.size, stop);
  });
  header.write(bytes, 0, { checksum: checksumOf(bytes, 0) });
  return bytes;
}

function newestSlot(store: Uint8Array): number | null {
  const whole = SLOTS.filter((slot) => isWhole(store, slot));
  return whole.sort((a, b) => header.read(store, b).sequence - header.read(store, a).sequence)[0] ?? null;
}

function isWhole(store: Uint8Array, slot: number): boolean {
  const { signature, version, checksum, checkCount, stopCount } = header.read(store, slot);
  const fits = checkCount <= MOST_CHECKS && stopCount <= MOST_STOPS;
  return signature === SIGNATURE && version === VERSION && fits && checksum === checksumOf(store, slot);
}

const checksumOf = (store: Uint8Array, slot: number) =>
  crc32(store.subarray(slot + header.fields.sequence.offset, slot + SLOT_BYTES));
