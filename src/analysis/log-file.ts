import { readFileSync, statSync } from "node:fs";
import { StopcodeError } from "../binary/index.ts";
import type { Facts, LogRecord } from "./facts.ts";

/** A console log is a few hundred kilobytes; one of a whole day fits too. */
const MOST_BYTES = 16 * 1024 * 1024;

/** What consoles and `dmesg` write before the text: `<4>[   12.345678][ T1234] `, each part if it is there at all. */
const PREFIX = /^(?:<(\d{1,3})>)?\[ *(\d{1,10}\.\d{1,9})\](?:\[ *[TC]\d+\])? ?/;

/** The kernel's part of a syslog priority. */
const LEVELS = 8;

/**
 * A log that was kept outside of a dump (a serial console, netconsole, pstore, `dmesg`), as facts: a record a line, so that a record's place
 * in the list is its line in the file.
 *
 * @throws StopcodeError `io/open` for a file that cannot be read, `log/too-large`, `log/empty`, `log/binary`
 */
export function readLogFile(file: string): NonNullable<Facts["log"]> {
  const text = textOf(file);
  const lines = text.split(/\r*\n/);
  if (lines.at(-1) === "") lines.pop();
  return { records: lines.map(recordOf), complete: true, file };
}

function textOf(file: string): string {
  const text = bytesOf(file).toString("utf8");
  if (text.length === 0)
    throw new StopcodeError("log/empty", "the log is empty", {
      where: { file },
      hint: "was anything written to it before the machine stopped?",
    });
  if (!isText(text))
    throw new StopcodeError("log/binary", "this is no text", {
      where: { file },
      hint: "a dump is diagnosed by itself, without --log; a packed log has to be unpacked first",
    });
  return text;
}

const SAMPLE = 65_536;

/** Consoles write colours, and stray bytes when a machine restarts; nine characters in ten are text all the same. */
function isText(text: string): boolean {
  const sample = text.slice(0, SAMPLE);
  return (sample.match(/[^\P{Cc}\n\r\t]|\ufffd/gu)?.length ?? 0) <= sample.length / 10;
}

function bytesOf(file: string): Buffer {
  try {
    const found = statSync(file);
    // A device has no size, and no end either.
    if (!found.isFile()) throw new Error("it is not a file");
    if (found.size <= MOST_BYTES) return readFileSync(file);
    throw new StopcodeError("log/too-large", `${found.size} bytes are more than the ${MOST_BYTES} allowed`, {
      where: { file },
      hint: "cut out the part around the crash: `tail -c 16M`",
    });
  } catch (cause) {
    if (cause instanceof StopcodeError) throw cause;
    throw new StopcodeError("io/open", `cannot read the log: ${(cause as Error).message}`, {
      where: { file },
      hint: "check the path and the rights on the file",
      cause,
    });
  }
}

function recordOf(line: string): LogRecord {
  const prefix = PREFIX.exec(line);
  if (prefix === null) return { text: line };
  const [whole, priority, seconds] = prefix;
  const level = priority === undefined ? {} : { level: Number(priority) % LEVELS };
  return { seconds: Number(seconds), ...level, text: line.slice(whole.length) };
}
