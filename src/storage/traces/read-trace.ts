import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { gunzipSync } from "node:zlib";
import { StopcodeError } from "../../binary/index.ts";
import { isBlkparse, parseBlkparse } from "./blkparse.ts";
import { type BlockTrace, inOrder, TRACE_FORMATS, type TracedRequest, type TraceFormat } from "./block-trace.ts";
import { isFioIolog, parseFioIolog } from "./fio-iolog.ts";
import { isHpSrt, parseHpSrt } from "./hp-srt.ts";
import { DISKSIM_ASCII, MQSIM_TEXT, parseLines } from "./text-traces.ts";
import { isVscsi, parseVscsi } from "./vscsi.ts";

/** Bytes that a trace may have, unpacked. */
const MOST_BYTES = 1024 * 2 ** 20;
const GZIP = [0x1f, 0x8b] as const;

/**
 * Reads a trace of block requests, packed by gzip or not; what it is shows in the file itself.
 * Throws `io/open`, `trace/packed` (damaged), `trace/unknown`, `trace/line`, `trace/record` and `trace/empty`.
 */
export function readBlockTrace(file: string): BlockTrace {
  const bytes = bytesOf(file);
  const [format, requests] = parse(bytes, file);
  if (requests.length === 0)
    throw new StopcodeError("trace/empty", "there is no request in this trace", {
      where: { file },
      hint: "check that it is the right file",
    });
  return {
    name: basename(file).replace(/(\.(trace|vscsi|srt|log|txt))?(\.gz)?$/, ""),
    format,
    requests: inOrder(requests),
  };
}

function parse(bytes: Uint8Array, file: string): [TraceFormat, TracedRequest[]] {
  if (isVscsi(bytes)) return ["vscsi", parseVscsi(bytes, file)];
  if (isHpSrt(bytes)) return ["HP srt", parseHpSrt(bytes, file)];
  const text = Buffer.from(bytes).toString("latin1");
  const first = text.split("\n", 50).find((line) => line.trim() !== "") ?? "";
  if (isFioIolog(text)) return ["fio iolog", parseFioIolog(text, file)];
  if (isBlkparse(first)) return ["blkparse", parseBlkparse(text, file)];
  for (const [format, lines] of [
    ["DiskSim ascii", DISKSIM_ASCII],
    ["MQSim text", MQSIM_TEXT],
  ] as const)
    if (lines.line.test(first)) return [format, parseLines(lines, text, file)];
  throw new StopcodeError("trace/unknown", "this is no trace of block requests that is known", {
    where: { file },
    hint: `known are: ${TRACE_FORMATS.join(", ")}`,
  });
}

function bytesOf(file: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new StopcodeError("io/open", `cannot read ${basename(file)}`, {
      where: { file },
      hint: "check the name",
      cause,
    });
  }
  if (bytes[0] !== GZIP[0] || bytes[1] !== GZIP[1]) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_BYTES });
  } catch (cause) {
    throw new StopcodeError("trace/packed", "the packed trace is damaged, or larger than 1 GiB unpacked", {
      where: { file },
      hint: "check it with gzip -t",
      cause,
    });
  }
}
