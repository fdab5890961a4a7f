import { StopcodeError } from "../../binary/index.ts";
import { SECTOR_BYTES } from "../request.ts";
import type { TracedRequest } from "./block-trace.ts";

/** Records of VMware's vscsiStats as libCacheSim keeps them: 32 bytes, little-endian. */
const RECORD_BYTES = 32;
const FIELDS = { bytes: 4, command: 12, version: 14, block: 16, microseconds: 24 } as const;
/** SCSI READ(10) and WRITE(10). */
const READ = 0x28;
const WRITE = 0x2a;
const VERSION = 0x100;

export function isVscsi(bytes: Uint8Array): boolean {
  if (bytes.length < RECORD_BYTES || bytes.length % RECORD_BYTES !== 0) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint16(FIELDS.version, true) === VERSION && isTransfer(view.getUint16(FIELDS.command, true));
}

const isTransfer = (command: number): boolean => command === READ || command === WRITE;

/** Throws `trace/record` at a record that is no transfer of whole sectors. */
export function parseVscsi(bytes: Uint8Array, file: string): TracedRequest[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / RECORD_BYTES) }, (_, index) => {
    const at = index * RECORD_BYTES;
    const command = view.getUint16(at + FIELDS.command, true);
    const length = view.getUint32(at + FIELDS.bytes, true);
    if (!isTransfer(command) || length === 0 || length % SECTOR_BYTES !== 0)
      throw new StopcodeError(
        "trace/record",
        `record ${index} is no transfer of whole sectors (command 0x${command.toString(16)}, ${length} bytes)`,
        {
          where: { file, offset: at },
          hint: "check that the file is whole, and a .vscsi trace",
        },
      );
    return {
      arrival: Number(view.getBigUint64(at + FIELDS.microseconds, true)) / 1000,
      sector: Number(view.getBigUint64(at + FIELDS.block, true)),
      sectors: length / SECTOR_BYTES,
      write: command === WRITE,
      device: 0,
      isSwap: false,
    };
  });
}
