import { badLine, DeviceNumbers, type TracedRequest } from "./block-trace.ts";

const EVENT = /^\s*(\d+,\d+)\s+\d+\s+\d+\s+(\d+\.\d+)\s+\d+\s+(\w+)\s+([A-Z]+)(?:\s+(\d+)\s+\+\s+(\d+))?.*$/;
const EXPECTED = "major,minor cpu sequence seconds pid action RWBS sector + sectors";
/** What sets off the summary at the end: the title of its first part, a processor or (by -s) a program. */
const SUMMARY = /^[^\s\d].*\(.*\):?\s*$/;
/** What a request is known by, the first of them that the trace has: it was queued, issued to the driver, completed. */
const ACTIONS = ["Q", "D", "C"] as const;

export const isBlkparse = (line: string): boolean => EVENT.test(line);

/**
 * blkparse(1), the default format: what was queued, and not what became of it. A trace that was taken of issues or completions alone has
 * those instead. Discards, and flushes without data, are no requests here. Throws `trace/line`.
 */
export function parseBlkparse(text: string, file: string): TracedRequest[] {
  const devices = new DeviceNumbers();
  const requests = new Map<string, TracedRequest[]>(ACTIONS.map((action) => [action, []]));
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const match = EVENT.exec(line);
    if (match === null && SUMMARY.test(line)) break;
    if (match === null) throw badLine(file, index + 1, line, EXPECTED);
    const [, device, time, action, kind, sector, sectors] = match;
    const kept = requests.get(action!);
    const isTransfer = /[RW]/.test(kind!) && sectors !== undefined && sectors !== "0";
    if (kept === undefined || !isTransfer) continue;
    kept.push({
      arrival: Number(time) * 1000,
      sector: Number(sector),
      sectors: Number(sectors),
      write: kind!.includes("W"),
      device: devices.of(device!),
      isSwap: false,
    });
  }
  return [...requests.values()].find(({ length }) => length > 0) ?? [];
}
