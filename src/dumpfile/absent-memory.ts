import { hex, StopcodeError } from "../binary/index.ts";

/** The one error for memory that a dump does not hold: `memory/absent`. */
export function absentMemory(file: string, address: number, length: number, hint: string): StopcodeError {
  const range = `${length} bytes at physical address ${Number.isSafeInteger(address) ? hex(address) : address}`;
  return new StopcodeError("memory/absent", `${range} are not all in the dump`, {
    where: Number.isSafeInteger(address) ? { file, address: hex(address) } : { file },
    hint,
  });
}
