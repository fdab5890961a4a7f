import { StopcodeError } from "../../binary/index.ts";

/** One request that was sent to a real drive while nothing else was. Times are milliseconds. */
export interface MeasuredRequest {
  readonly write: boolean;
  readonly sector: number;
  readonly sectors: number;
  /** From its issue to its completion. */
  readonly service: number;
  /** From its completion to the issue of the next. */
  readonly think: number;
}

const LINE = /^\s*([RW])\s+\w+\s+(\d+)\s+(\d+)\s+([\d.]+)\s+([\d.]+)\s*$/;

/**
 * Reads one of DiskSim's validation traces: lines of direction, what the drive did about its buffer, block, blocks, microseconds of
 * service, microseconds until the next. Throws `trace/syntax` at a line that is none.
 */
export function parseMeasuredDrive(text: string, file: string): MeasuredRequest[] {
  const requests: MeasuredRequest[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const match = LINE.exec(line);
    if (match === null || match[3] === "0")
      throw new StopcodeError("trace/syntax", `"${line.trim().slice(0, 60)}" is no measured request`, {
        where: { file, line: index + 1, column: 1 },
        hint: "a line is: R or W, a word, block, blocks, microseconds of service, microseconds until the next",
      });
    requests.push({
      write: match[1] === "W",
      sector: Number(match[2]),
      sectors: Number(match[3]),
      service: Number(match[4]) / 1000,
      think: Number(match[5]) / 1000,
    });
  }
  return requests;
}
