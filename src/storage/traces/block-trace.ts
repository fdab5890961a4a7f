import { StopcodeError } from "../../binary/index.ts";

/** A request that a real machine made. */
export interface TracedRequest {
  /** Milliseconds from the first request of the trace. */
  readonly arrival: number;
  readonly sector: number;
  readonly sectors: number;
  readonly write: boolean;
  /** The device or file that it went to, numbered from 0 in order of appearance. */
  readonly device: number;
  /** It is of a partition that machines page to. */
  readonly isSwap: boolean;
}

export const TRACE_FORMATS = ["vscsi", "DiskSim ascii", "HP srt", "MQSim text", "fio iolog", "blkparse"] as const;
export type TraceFormat = (typeof TRACE_FORMATS)[number];

export interface BlockTrace {
  readonly name: string;
  readonly format: TraceFormat;
  /** In order of arrival. */
  readonly requests: readonly TracedRequest[];
}

/** A line that is none of its format: what was expected, and where. */
export const badLine = (file: string, line: number, text: string, expected: string): StopcodeError =>
  new StopcodeError("trace/line", `"${text.trim().slice(0, 60)}" is no line of this format`, {
    where: { file, line, column: 1 },
    hint: `a line is: ${expected}`,
  });

/** Numbers devices in order of appearance. */
export class DeviceNumbers {
  readonly #numbers = new Map<string, number>();

  of(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.#numbers.size);
    return this.#numbers.size - 1;
  }
}

/** Puts requests in order of arrival, from 0 on. */
export function inOrder(requests: TracedRequest[]): TracedRequest[] {
  const sorted = requests.toSorted((a, b) => a.arrival - b.arrival);
  const first = sorted[0]?.arrival ?? 0;
  return sorted.map((request) => ({ ...request, arrival: request.arrival - first }));
}
