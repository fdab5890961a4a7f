import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { gunzipSync } from "node:zlib";
import { StopcodeError } from "../binary/index.ts";

/** Bytes that a trace may have, unpacked. */
const MOST_BYTES = 256 * 2 ** 20;
/** Pages of 4 KiB below 4 GiB. */
const PAGES = 2 ** 20;
/** Distinct pages of an address stream, which all have memory when it is measured: 1 GiB. */
const MOST_DISTINCT_PAGES = 2 ** 18;
const GZIP = 0x8b1f;
const TOLD_CHARACTERS = 40;

/** Loads and stores of a program by linear address, in order: lines `l|s 0xADDRESS INSTRUCTIONS`, of which the last is not used. */
export interface AddressTrace {
  readonly kind: "addresses";
  readonly name: string;
  /** Addresses of 32 bits, as signed numbers. */
  readonly lows: Int32Array;
  /** 1 for a store. */
  readonly stores: Uint8Array;
}

/** Pages in the order of their use: lines with one page number, and `*` for a checkpoint. */
export interface PageTrace {
  readonly kind: "pages";
  readonly name: string;
  readonly pages: Int32Array;
  /** How many pages come before each checkpoint. */
  readonly checkpoints: readonly number[];
}

export type Trace = AddressTrace | PageTrace;

/**
 * Reads a trace of either kind, packed by gzip or not; its first line says which kind it is.
 * @throws StopcodeError `io/open`; `trace/packed` for a packed file that is damaged, `trace/too-large`, `trace/empty`, and `trace/line`,
 * with the line
 */
export function readTrace(file: string): Trace {
  const text = textOf(file);
  const name = basename(file).replace(/(\.trace)?(\.gz)?$/, "");
  const lines = text.split("\n");
  const first = lines.findIndex((line) => line.trim() !== "");
  if (first < 0)
    throw new StopcodeError("trace/empty", "there is nothing in this trace", {
      where: { file },
      hint: "check that it is the right file",
    });
  return /^[ls]\b/.test(lines[first]!) ? addressTrace(file, name, lines) : pageTrace(file, name, lines);
}

function addressTrace(file: string, name: string, lines: readonly string[]): AddressTrace {
  const lows = new Int32Array(lines.length);
  const stores = new Uint8Array(lines.length);
  let count = 0;
  eachLine(lines, (line, number) => {
    const found = /^([ls]) 0x([0-9a-f]{1,8}) \d+$/i.exec(line);
    if (found === null)
      throw wrongLine(file, number, line, "l or s, an address of 32 bits such as 0x1fffff50, and a number");
    lows[count] = Number.parseInt(found[2]!, 16);
    stores[count++] = found[1] === "s" ? 1 : 0;
  });
  const pages = new Set(lows.subarray(0, count).map((low) => low >>> 12)).size;
  if (pages > MOST_DISTINCT_PAGES)
    throw new StopcodeError("trace/too-large", `it uses ${pages} pages; ${MOST_DISTINCT_PAGES} (1 GiB) are the most`, {
      where: { file },
      hint: "cut it",
    });
  return { kind: "addresses", name, lows: lows.slice(0, count), stores: stores.slice(0, count) };
}

function pageTrace(file: string, name: string, lines: readonly string[]): PageTrace {
  const pages = new Int32Array(lines.length);
  const checkpoints: number[] = [];
  let count = 0;
  eachLine(lines, (line, number) => {
    if (line === "*") {
      checkpoints.push(count);
      return;
    }
    const page = /^\d{1,7}$/.test(line) ? Number(line) : PAGES;
    if (page >= PAGES) throw wrongLine(file, number, line, `a page number below ${PAGES}, or *`);
    pages[count++] = page;
  });
  if (count === 0)
    throw new StopcodeError("trace/empty", "there are checkpoints in this trace, but no pages", { where: { file } });
  return { kind: "pages", name, pages: pages.slice(0, count), checkpoints };
}

/** Lines that are not blank, without what ends them, and their numbers from 1. */
function eachLine(lines: readonly string[], use: (line: string, number: number) => void): void {
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!.trimEnd();
    if (line !== "") use(line, index + 1);
  }
}

function wrongLine(file: string, line: number, text: string, expected: string): StopcodeError {
  const shown = text.length > TOLD_CHARACTERS ? `${text.slice(0, TOLD_CHARACTERS)}…` : text;
  return new StopcodeError("trace/line", `${JSON.stringify(shown)} is not what a line here has to be: ${expected}`, {
    where: { file, line },
    hint: "address streams and page strings are told apart by their first line",
  });
}

function textOf(file: string): string {
  const bytes = bytesOf(file);
  if (bytes.length < 2 || bytes.readUInt16LE(0) !== GZIP) return bytes.toString("latin1");
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_BYTES }).toString("latin1");
  } catch (cause) {
    const isTooLarge = (cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw new StopcodeError(
      isTooLarge ? "trace/too-large" : "trace/packed",
      isTooLarge
        ? `unpacked, it has more than ${MOST_BYTES} bytes`
        : `gzip cannot unpack it: ${(cause as Error).message}`,
      { where: { file }, hint: isTooLarge ? "cut it" : "it is damaged or was cut off: copy it again", cause },
    );
  }
}

function bytesOf(file: string): Buffer {
  try {
    const found = statSync(file);
    if (!found.isFile()) throw new Error("it is not a file");
    if (found.size <= MOST_BYTES) return readFileSync(file);
    throw new StopcodeError("trace/too-large", `${found.size} bytes are more than the ${MOST_BYTES} allowed`, {
      where: { file },
      hint: "cut it",
    });
  } catch (cause) {
    if (cause instanceof StopcodeError) throw cause;
    throw new StopcodeError("io/open", `cannot read the trace: ${(cause as Error).message}`, {
      where: { file },
      hint: "check the path and the rights on the file",
      cause,
    });
  }
}
