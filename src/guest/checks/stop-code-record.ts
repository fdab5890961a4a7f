import { crc32 } from "node:zlib";
import { layout, u32, u64 } from "../../binary/index.ts";

const SIGNATURE = 0x504f_5453; // "STOP"
const VERSION = 1;
const CONSUMED = 1;

/**
 * What a bug check leaves in non-volatile memory for the next start, before the machine stops (systems.md 6.2).
 * The checksum covers everything in front of it.
 */
export const stopCodeRecord = layout("STOP_CODE_RECORD", 0x40, {
  signature: u32(0x00, "STOP"),
  version: u32(0x04, "1"),
  boot: u32(0x08, "which start of this partition it was, from 1"),
  stopCode: u32(0x0c),
  parameter1: u64(0x10),
  parameter2: u64(0x18),
  parameter3: u64(0x20),
  parameter4: u64(0x28),
  flags: u32(0x30, "1: a later start has taken note of it"),
  checksum: u32(0x3c, "CRC-32 of the bytes 0x00 to 0x3B"),
});

/** Where the record lies in non-volatile memory. */
export const STOP_CODE_RECORD_AT = 0;

export interface StopCode {
  readonly boot: number;
  readonly stopCode: number;
  readonly parameters: readonly [bigint, bigint, bigint, bigint];
}

/** `none`: never written, or a start has consumed it. `damaged`: a record whose checksum is wrong counts for nothing. */
export type StopCodeState =
  | { readonly kind: "none"; readonly boot: number }
  | { readonly kind: "damaged" }
  | ({ readonly kind: "stop" } & StopCode);

export function writeStopCode(store: Uint8Array, { boot, stopCode, parameters }: StopCode): void {
  put(store, {
    boot,
    stopCode,
    parameter1: parameters[0],
    parameter2: parameters[1],
    parameter3: parameters[2],
    parameter4: parameters[3],
    flags: 0,
  });
}

/** What the last start left; nothing is changed. */
export function readStopCode(store: Uint8Array): StopCodeState {
  const record = stopCodeRecord.read(store, STOP_CODE_RECORD_AT);
  if (record.signature === 0) return { kind: "none", boot: 0 };
  if (record.signature !== SIGNATURE || record.version !== VERSION || record.checksum !== checksumOf(store))
    return { kind: "damaged" };
  if (record.flags & CONSUMED) return { kind: "none", boot: record.boot };
  return {
    kind: "stop",
    boot: record.boot,
    stopCode: record.stopCode,
    parameters: [record.parameter1, record.parameter2, record.parameter3, record.parameter4],
  };
}

/** Marks the record as seen, so that a stop during this start is not taken for it. */
export function consumeStopCode(store: Uint8Array): void {
  put(store, { flags: CONSUMED });
}

function put(store: Uint8Array, values: Parameters<typeof stopCodeRecord.write>[2]): void {
  stopCodeRecord.write(store, STOP_CODE_RECORD_AT, { signature: SIGNATURE, version: VERSION, ...values });
  stopCodeRecord.write(store, STOP_CODE_RECORD_AT, { checksum: checksumOf(store) });
}

const checksumOf = (store: Uint8Array) =>
  crc32(store.subarray(STOP_CODE_RECORD_AT, STOP_CODE_RECORD_AT + stopCodeRecord.fields.checksum.offset));
