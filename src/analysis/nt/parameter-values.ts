import { statusName } from "./status-codes.ts";
import type { ParameterKind } from "./stop-code-parameters.ts";
import { baseStopCode } from "./stop-codes.ts";

const IRQLS: ReadonlyMap<bigint, string> = new Map([
  [0n, "PASSIVE_LEVEL"],
  [1n, "APC_LEVEL"],
  [2n, "DISPATCH_LEVEL"],
  [15n, "HIGH_LEVEL"],
]);

/** What a parameter's value says by itself; null where it says nothing, or is an address that only a dump can answer for. */
export function valueText(code: number, value: bigint, kind: ParameterKind): string | null {
  switch (kind) {
    case "status":
      return statusName(value);
    case "access":
      return accessName(code, value);
    case "irql":
      return IRQLS.get(value) ?? null;
    case "letters":
      return letters(value);
    default:
      return null;
  }
}

/** 0x50 counts in the page fault's error code on newer builds (2 write, 0x10 execute), the others in 1 and 8. */
function accessName(code: number, value: bigint): string | null {
  const access = Number(value & 0x1fn);
  if (access === 0) return "read";
  if (access === 1) return "write";
  if (access === 2) return baseStopCode(code) === 0x50 ? "write" : "execute";
  return access === 8 || access === 0x10 ? "execute" : null;
}

/** Text that a tag or a name carries in the value's own bytes, lowest first; null when it is not printable. */
export function letters(value: bigint): string | null {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  const text = bytes.toString("latin1").replace(/\0+$/, "");
  return /^[\x20-\x7e]+$/.test(text) ? text : null;
}
