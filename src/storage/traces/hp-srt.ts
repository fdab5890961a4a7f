import { StopcodeError } from "../../binary/index.ts";
import { SECTOR_BYTES } from "../request.ts";
import { DeviceNumbers, type TracedRequest } from "./block-trace.ts";

/** HP Labs' SRT 1.3: a text header, a form feed, then records of 32-bit big-endian words, each with its size first. */
const MAGIC = "$$TR_IOREC";
const FORM_FEED = 0x0c;
const RECORD_BYTES = 56;
const FIELDS = { size: 0, seconds: 8, microseconds: 12, bytes: 24, block: 28, device: 32, flags: 44 } as const;
/** Blocks of the trace, DEV_BSIZE of HP-UX, in sectors. */
const BLOCK_SECTORS = 1024 / SECTOR_BYTES;
/** Disk and partition, without the driver's major number. */
const MINOR = 0xffff;
/** B_READ of HP-UX's buffer header. */
const B_READ = 0x1;

export const isHpSrt = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, 64)).toString("latin1").includes(MAGIC);

/** Partitions that the header calls swap, as device numbers (disk in the high byte, minor in the low one). */
function swapDevices(header: string): Set<number> {
  const found = new Set<number>();
  let disk = 0;
  let last = 0;
  for (const line of header.split("\n")) {
    const numbered = /^\s*(\d+)\s*->\s*\{/.exec(line);
    if (numbered !== null) last = Number(numbered[1]);
    if (/^\s*disktype\b/.test(line)) disk = last;
    if (/"<swap\d*>"/.test(line)) found.add((disk << 8) | last);
  }
  return found;
}

/** Throws `trace/record` at a record of another size. */
export function parseHpSrt(bytes: Uint8Array, file: string): TracedRequest[] {
  const start = bytes.indexOf(FORM_FEED) + 1;
  const swap = swapDevices(Buffer.from(bytes.subarray(0, start)).toString("latin1"));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const devices = new DeviceNumbers();
  const requests: TracedRequest[] = [];
  let at = start;
  while (at < bytes.length && bytes[at] === 0x0a) at++;
  for (; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    if (view.getInt32(at + FIELDS.size) !== RECORD_BYTES)
      throw new StopcodeError(
        "trace/record",
        `a record of ${view.getInt32(at + FIELDS.size)} bytes, not ${RECORD_BYTES}`,
        {
          where: { file, offset: at },
          hint: "check that the file is whole, and an HP SRT 1.3 trace",
        },
      );
    // Blocks are counted from the front of a partition: each is a device.
    const device = view.getInt32(at + FIELDS.device) & MINOR;
    requests.push({
      arrival: view.getInt32(at + FIELDS.seconds) * 1000 + view.getInt32(at + FIELDS.microseconds) / 1000,
      sector: view.getUint32(at + FIELDS.block) * BLOCK_SECTORS,
      sectors: Math.max(1, Math.ceil(view.getInt32(at + FIELDS.bytes) / SECTOR_BYTES)),
      write: (view.getInt32(at + FIELDS.flags) & B_READ) === 0,
      device: devices.of(String(device)),
      isSwap: swap.has(device),
    });
  }
  return requests;
}
