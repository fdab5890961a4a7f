import { SECTOR_BYTES } from "../request.ts";
import { badLine, DeviceNumbers, type TracedRequest } from "./block-trace.ts";

/** The formats of which each line is a request: what a line looks like, and how it is read. */
interface LineFormat {
  readonly expected: string;
  readonly line: RegExp;
  /** Null: the line is of the format, and no request. */
  request(match: RegExpExecArray, devices: DeviceNumbers): TracedRequest | null;
}

/** DiskSim 4.0 reference manual, "ASCII trace format". */
export const DISKSIM_ASCII: LineFormat = {
  expected: "milliseconds, device, block, blocks, flags (1: read)",
  line: /^\s*(\d+\.\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\da-fA-F]+)\s*$/,
  request: ([, time, device, block, blocks, flags], devices) => ({
    arrival: Number(time),
    sector: Number(block),
    sectors: Number(blocks),
    write: (Number.parseInt(flags!, 16) & 1) === 0,
    device: devices.of(device!),
    isSwap: false,
  }),
};

/** MQSim's, which is that of the MSN traces after their conversion: the type is 1 for a read, 0 for a write. */
export const MQSIM_TEXT: LineFormat = {
  expected: "nanoseconds, device, sector, sectors, type (1: read, 0: write)",
  line: /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([01])\s*$/,
  request: ([, time, device, sector, sectors, type], devices) => ({
    arrival: Number(time) / 1e6,
    sector: Number(sector),
    sectors: Number(sectors),
    write: type === "0",
    device: devices.of(device!),
    isSwap: false,
  }),
};

/** blkparse(1), the default format: what was queued (Q), and not what became of it. */
export const BLKPARSE: LineFormat = {
  expected: "major,minor cpu sequence seconds pid action RWBS sector + sectors",
  line: /^\s*(\d+,\d+)\s+\d+\s+\d+\s+(\d+\.\d+)\s+\d+\s+(\w+)\s+([A-Z]+)(?:\s+(\d+)\s+\+\s+(\d+))?.*$/,
  request: ([, device, time, action, kind, sector, sectors], devices) =>
    action !== "Q" || sectors === undefined || sectors === "0" || !/[RW]/.test(kind!) || kind!.includes("D")
      ? null
      : {
          arrival: Number(time) * 1000,
          sector: Number(sector),
          sectors: Number(sectors),
          write: kind!.includes("W"),
          device: devices.of(device!),
          isSwap: false,
        },
};

export function parseLines(format: LineFormat, text: string, file: string): TracedRequest[] {
  const devices = new DeviceNumbers();
  const requests: TracedRequest[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const match = format.line.exec(line);
    // blkparse ends with a summary, set off by a line that is no event.
    if (match === null && format === BLKPARSE && requests.length > 0 && /^(CPU|Total|Throughput|Events|\s)/.test(line))
      continue;
    if (match === null) throw badLine(file, index + 1, line, format.expected);
    const request = format.request(match, devices);
    if (request !== null && request.sectors === 0) throw badLine(file, index + 1, line, format.expected);
    if (request !== null) requests.push(request);
  }
  return requests;
}

const FIO_HEADER = /^fio version ([23]) iolog\s*$/;
const FIO_EXPECTED = {
  2: "file, action (add, open, close, read, write, trim, sync, datasync, wait), offset and length in bytes",
  3: "milliseconds, file, action, offset and length in bytes",
} as const;

export const isFioIolog = (text: string): boolean => FIO_HEADER.test(text.slice(0, text.indexOf("\n") >>> 0));

/** fio's HOWTO, "Trace file format v2" and "v3". Version 2 has no times: its `wait` (microseconds) is all that passes. */
export function parseFioIolog(text: string, file: string): TracedRequest[] {
  const [header, ...lines] = text.split("\n");
  const version = Number(FIO_HEADER.exec(header!)![1]) as 2 | 3;
  const devices = new DeviceNumbers();
  const requests: TracedRequest[] = [];
  let waited = 0;
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const words = line.trim().split(/\s+/);
    const time = version === 3 ? Number(words.shift()) : waited;
    const [name, action, offset, length] = words;
    if (Number.isNaN(time) || action === undefined) throw badLine(file, index + 2, line, FIO_EXPECTED[version]);
    if (action === "wait") waited += Number(offset) / 1000;
    if (action !== "read" && action !== "write") continue;
    const [from, bytes] = [Number(offset), Number(length)];
    if (!(from >= 0) || !(bytes > 0)) throw badLine(file, index + 2, line, FIO_EXPECTED[version]);
    const sector = Math.floor(from / SECTOR_BYTES);
    requests.push({
      arrival: time,
      sector,
      sectors: Math.ceil((from + bytes) / SECTOR_BYTES) - sector,
      write: action === "write",
      device: devices.of(name!),
      isSwap: false,
    });
  }
  return requests;
}
