import { badLine, DeviceNumbers, type TracedRequest } from "./block-trace.ts";

/** The formats of which each line is a request: what a line looks like, and how it is read. */
interface LineFormat {
  readonly expected: string;
  readonly line: RegExp;
  request(match: RegExpExecArray, devices: DeviceNumbers): TracedRequest;
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

export function parseLines(format: LineFormat, text: string, file: string): TracedRequest[] {
  const devices = new DeviceNumbers();
  const requests: TracedRequest[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const match = format.line.exec(line);
    if (match === null) throw badLine(file, index + 1, line, format.expected);
    const request = format.request(match, devices);
    if (request.sectors === 0) throw badLine(file, index + 1, line, format.expected);
    requests.push(request);
  }
  return requests;
}
