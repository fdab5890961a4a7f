import { SECTOR_BYTES } from "../request.ts";
import { badLine, DeviceNumbers, type TracedRequest } from "./block-trace.ts";

const FIO_HEADER = /^fio version ([23]) iolog\s*$/;
const FIO_EXPECTED = {
  2: "file, action (add, open, close, read, write, trim, sync, datasync, wait), offset and length in bytes",
  3: "microseconds, file, action, offset and length in bytes",
} as const;

export const isFioIolog = (text: string): boolean => FIO_HEADER.test(text.slice(0, text.indexOf("\n") >>> 0));

/**
 * fio's HOWTO, "Trace file format v2" and "v3". Version 2 has no times: its `wait` (microseconds) is all that passes. Version 3's are
 * microseconds, which the HOWTO does not say: fio 3.33 writes them 10,000 apart for 100 requests a second.
 */
export function parseFioIolog(text: string, file: string): TracedRequest[] {
  const [header, ...lines] = text.split("\n");
  const version = Number(FIO_HEADER.exec(header!)![1]) as 2 | 3;
  const devices = new DeviceNumbers();
  const requests: TracedRequest[] = [];
  let waited = 0;
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const words = line.trim().split(/\s+/);
    const time = version === 3 ? Number(words.shift()) / 1000 : waited;
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
