import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { StopcodeError } from "../binary/index.ts";

/** A recorded stream of data accesses. */
export interface AddressTrace {
  readonly name: string;
  /** 32-bit addresses. */
  readonly addresses: Uint32Array;
  /** 1 for a store. */
  readonly stores: Uint8Array;
}

/**
 * Reads a stream of lines `l|s 0xADDRESS n` (load or store, address, instructions since), gzipped or not.
 * @throws StopcodeError `bench/trace` with the line that is none
 */
export function readAddressTrace(path: string): AddressTrace {
  const raw = readFileSync(path);
  const text = (raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw).toString("latin1");
  const lines = text.split("\n").filter((line) => line !== "");
  const addresses = new Uint32Array(lines.length);
  const stores = new Uint8Array(lines.length);
  for (const [index, line] of lines.entries()) {
    const found = /^([ls]) 0x([0-9a-f]{1,8}) \d+\s*$/.exec(line);
    if (!found)
      throw new StopcodeError("bench/trace", "this line is no access", {
        where: { file: path, line: index + 1, column: 1 },
        hint: "a line is `l 0x1fffff50 1`: load or store, address, instructions since the one before",
      });
    addresses[index] = Number.parseInt(found[2] ?? "", 16);
    stores[index] = found[1] === "s" ? 1 : 0;
  }
  return { name: (path.split("/").at(-1) ?? path).replace(/\.trace(\.gz)?$/, ""), addresses, stores };
}
